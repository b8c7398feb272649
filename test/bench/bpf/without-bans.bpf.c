// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The product's programs of the XDP hook without tier 3.2: what asking for bans costs where nobody is banned. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/hook-xdp.h"
#include "../../../bpf/bans.h"

#define slc_is_banned(packet) 0

#include "../../../bpf/sluice.bpf.c"
