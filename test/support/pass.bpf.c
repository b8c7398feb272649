// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Passes every frame. A veth takes frames that its peer sends by XDP_TX only while it has a program of its own. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp.frags")
int pass(struct xdp_md *ctx) {
    return XDP_PASS;
}
