# SPDX-License-Identifier: Apache-2.0
tariff_unit_test(base tariff_base)
tariff_unit_test(agent policy)
tariff_unit_test(cgroup policy)
tariff_unit_test(ipc tariff_ipc tariff_ttrpc_proto policy)
