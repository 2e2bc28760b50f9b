# SPDX-License-Identifier: Apache-2.0
# For functions in sh: payload on stdin, result on stdout, logs on stderr, exit status.
# Source it (. /usr/share/tariff/helpers/tariff.sh) and, if you like, call tariff_ready when set-up
# is over and before the payload is read. Outside Tariff it does nothing.
tariff_ready() { [ -z "${TARIFF_READY_FD:-}" ] || eval "printf . >&$TARIFF_READY_FD"; }
