// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The product's programs of the XDP hook that know no answers to the own stack: what they cost who rejects nothing. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/hook-xdp.h"
#include "../../../bpf/told.h"

#define slc_may_be_told(packet) 0
#define slc_is_told(key, family) 0

#include "../../../bpf/sluice.bpf.c"
