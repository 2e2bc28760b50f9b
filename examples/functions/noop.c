/* SPDX-License-Identifier: Apache-2.0
 * noop: nothing at all; what a call costs when the function costs nothing. */
int main(void) { return 0; }
