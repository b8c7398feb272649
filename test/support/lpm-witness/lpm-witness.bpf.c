// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The literal design, as a judge: two kernel LPM tries (source, destination) a family, port maps, a protocol map and an
 * ICMP map, each leading to a bit vector of rows. The first set bit of the AND of all vectors is the first match.
 * It shares no line with the datapath. Plain packets only: no VLAN tag, option, extension header or fragment.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ROWS 512
#define PREFIXES 16384
/* Index of the ICMP map for packets that are no ICMP; below it type << 8 | code. */
#define NO_ICMP 65536

struct vector {
    __u64 words[ROWS / 64];
};

struct address4 {
    __u32 length;
    __u8 bytes[4];
};

struct address6 {
    __u32 length;
    __u8 bytes[16];
};

enum answer_status {
    JUDGED = 1,
    NOT_PLAIN = 2,
    NO_VECTOR = 3,
};

struct answer {
    __u32 status;
    __u32 row; /* ROWS: no row matches */
};

#define ADDRESS_MAP(name, address)                                                                                     \
    struct {                                                                                                           \
        __uint(type, BPF_MAP_TYPE_LPM_TRIE);                                                                           \
        __uint(map_flags, BPF_F_NO_PREALLOC);                                                                          \
        __uint(max_entries, PREFIXES);                                                                                 \
        __type(key, struct address);                                                                                   \
        __type(value, struct vector);                                                                                  \
    } name SEC(".maps")

#define NUMBER_MAP(name, entries)                                                                                      \
    struct {                                                                                                           \
        __uint(type, BPF_MAP_TYPE_ARRAY);                                                                              \
        __uint(map_flags, BPF_F_MMAPABLE);                                                                             \
        __uint(max_entries, entries);                                                                                  \
        __type(key, __u32);                                                                                            \
        __type(value, struct vector);                                                                                  \
    } name SEC(".maps")

ADDRESS_MAP(source4, address4);
ADDRESS_MAP(destination4, address4);
ADDRESS_MAP(source6, address6);
ADDRESS_MAP(destination6, address6);
/* Entry 0 is for protocols without ports. */
NUMBER_MAP(source_port, 65536);
NUMBER_MAP(dest_port, 65536);
NUMBER_MAP(protocol, 256);
NUMBER_MAP(icmp, NO_ICMP + 1);

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct answer);
} answer SEC(".maps");

static __always_inline int leave(__u32 status, __u32 row) {
    __u32 zero = 0;
    struct answer *entry = bpf_map_lookup_elem(&answer, &zero);

    if (entry) {
        entry->status = status;
        entry->row = row;
    }
    return XDP_PASS;
}

static __always_inline int carries_ports(__u32 number) {
    return number == IPPROTO_TCP || number == IPPROTO_UDP || number == IPPROTO_DCCP || number == IPPROTO_SCTP ||
           number == IPPROTO_UDPLITE;
}

static __always_inline int is_extension(__u32 number) {
    return number == IPPROTO_HOPOPTS || number == IPPROTO_ROUTING || number == IPPROTO_FRAGMENT ||
           number == IPPROTO_AH || number == IPPROTO_DSTOPTS || number == IPPROTO_MH;
}

SEC("xdp")
int lpm_witness(struct xdp_md *ctx) {
    void *data = (void *)(long)ctx->data;
    void *end = (void *)(long)ctx->data_end;
    struct ethhdr *ethernet = data;
    const struct vector *vectors[6];
    __u32 number, from_port = 0, to_port = 0, icmp_index = NO_ICMP;
    const __u8 *transport;

    if ((void *)(ethernet + 1) > end)
        return leave(NOT_PLAIN, 0);
    if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = (void *)(ethernet + 1);
        struct address4 from = {.length = 32}, to = {.length = 32};

        if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5 || ip->frag_off & bpf_htons(0x3fff))
            return leave(NOT_PLAIN, 0);
        __builtin_memcpy(from.bytes, &ip->saddr, 4);
        __builtin_memcpy(to.bytes, &ip->daddr, 4);
        vectors[0] = bpf_map_lookup_elem(&source4, &from);
        vectors[1] = bpf_map_lookup_elem(&destination4, &to);
        number = ip->protocol;
        transport = (void *)(ip + 1);
    } else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr *ip = (void *)(ethernet + 1);
        struct address6 from = {.length = 128}, to = {.length = 128};

        if ((void *)(ip + 1) > end || ip->version != 6 || is_extension(ip->nexthdr))
            return leave(NOT_PLAIN, 0);
        __builtin_memcpy(from.bytes, &ip->saddr, 16);
        __builtin_memcpy(to.bytes, &ip->daddr, 16);
        vectors[0] = bpf_map_lookup_elem(&source6, &from);
        vectors[1] = bpf_map_lookup_elem(&destination6, &to);
        number = ip->nexthdr;
        transport = (void *)(ip + 1);
    } else {
        return leave(NOT_PLAIN, 0);
    }

    if (carries_ports(number)) {
        if (transport + 4 > (__u8 *)end)
            return leave(NOT_PLAIN, 0);
        from_port = transport[0] << 8 | transport[1];
        to_port = transport[2] << 8 | transport[3];
    } else if (number == (ethernet->h_proto == bpf_htons(ETH_P_IP) ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        if (transport + 2 > (__u8 *)end)
            return leave(NOT_PLAIN, 0);
        icmp_index = transport[0] << 8 | transport[1];
    }
    vectors[2] = bpf_map_lookup_elem(&source_port, &from_port);
    vectors[3] = bpf_map_lookup_elem(&dest_port, &to_port);
    vectors[4] = bpf_map_lookup_elem(&protocol, &number);
    vectors[5] = bpf_map_lookup_elem(&icmp, &icmp_index);
    for (int i = 0; i < 6; i++)
        if (!vectors[i])
            return leave(NO_VECTOR, 0);

    for (__u32 i = 0; i < ROWS / 64; i++) {
        __u64 both = vectors[0]->words[i] & vectors[1]->words[i] & vectors[2]->words[i] & vectors[3]->words[i] &
                     vectors[4]->words[i] & vectors[5]->words[i];

        if (both)
            return leave(JUDGED, i * 64 + __builtin_ctzll(both));
    }
    return leave(JUDGED, ROWS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
