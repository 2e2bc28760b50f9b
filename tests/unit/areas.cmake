# SPDX-License-Identifier: Apache-2.0
tariff_unit_test(base tariff_base)
