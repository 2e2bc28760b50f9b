# SPDX-License-Identifier: Apache-2.0
tariff_unit_test(base tariff_base)
tariff_unit_test(agent tariff_agent)
tariff_unit_test(cgroup policy tariff_cgroup tariff_boost)
tariff_unit_test(swap policy)
tariff_unit_test(scheduler policy)
tariff_unit_test(sim tariff_sim)
tariff_unit_test(ipc tariff_ipc tariff_ttrpc_proto tariff_api_proto policy)
target_compile_definitions(test-ipc PRIVATE TARIFF_SOURCE_DIRECTORY="${CMAKE_SOURCE_DIR}")
tariff_unit_test(ctl tariff_ctl_view)
tariff_unit_test(systemd tariff_systemd PkgConfig::LIBSYSTEMD Threads::Threads)
tariff_unit_test(launcher policy tariff_launcher_protocol)
target_sources(test-launcher PRIVATE ${CMAKE_SOURCE_DIR}/launcher/messages.cpp
               ${CMAKE_SOURCE_DIR}/launcher/state.cpp)
tariff_unit_test(config tariff_config)
target_compile_definitions(test-config PRIVATE
  TARIFF_BAD_CONFIGS="${CMAKE_CURRENT_SOURCE_DIR}/config/bad"
  TARIFF_SHIPPED_CONFIG="${CMAKE_SOURCE_DIR}/etc/tariffd.yaml")
target_compile_definitions(test-launcher PRIVATE TARIFF_SOURCE="${CMAKE_SOURCE_DIR}")
