// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The literal kernel-map design as a filter: the test witness, dropping what it has judged instead of passing it. */
#include <linux/bpf.h>

#define XDP_PASS XDP_DROP
#include "../../support/lpm-witness/lpm-witness.bpf.c"
