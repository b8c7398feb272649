/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * THE shared header: every key, value and number that crosses the kernel border.
 *
 * scripts/gen-abi reads the compiled object's BTF and writes src/abi/layout.gen.ts; native/abi.cc compiles this
 * very file with the host compiler and the tests hold the two, and a round trip through the kernel, together.
 *
 * Rules: fixed-width integers; __be types where wire order is kept; padding has a name and is zero; sizes are
 * asserted; enum numbers are explicit and never reused. Any change of layout raises SLC_ABI_VERSION.
 */
#ifndef SLUICE_ABI_H
#define SLUICE_ABI_H

#include <linux/bpf.h> /* struct bpf_spin_lock */
#include <linux/types.h>

#define SLC_ABI_VERSION 13

/* ---------------------------------------------------------------- what became of a packet */

/* The order in which a packet is judged (SPEC 3). Text forms: src/abi/codec.ts. */
enum slc_tier {
    SLC_TIER_GATE = 0,
    SLC_TIER_SANITY = 1,         /* 1 */
    SLC_TIER_LINK = 2,           /* 2 */
    SLC_TIER_KEEP_REACHABLE = 3, /* 3.1 */
    SLC_TIER_BANS = 4,           /* 3.2 */
    SLC_TIER_GUARD = 5,          /* 3.3 */
    SLC_TIER_FLOWS = 6,          /* 4 */
    SLC_TIER_ICMP = 7,           /* 5 */
    SLC_TIER_SWITCHES = 8,       /* 6 */
    SLC_TIER_RULES = 9,          /* 7 */
    SLC_TIER_SSH = 10,           /* 8 */
    SLC_TIER_DEFAULT = 11,       /* 9 */
};

/* What a word of the image says to do. */
enum slc_action {
    SLC_ACTION_ALLOW = 0,
    SLC_ACTION_DENY = 1,
    SLC_ACTION_REJECT = 2,
    SLC_ACTION_LIMIT = 3,
};

/*
 * Why a packet left the way it did; also its counter slot when no image word decided (slots 0..SLC_RANK_FIRST-1
 * of the counters). RULE, SSH, DEFAULT, KEEP_REACHABLE and GUARD are counted at the rank instead. Packets that go out
 * are counted at SLC_REASON_SLOTS_OUT + reason. Reasons from SLC_PASS_FIRST on, below SLC_DROP_FIRST, let a packet
 * pass; so does GATE_OPEN. ALLOW_ALL is counted at the reason, though a word decided: the one that would have refused.
 * Words: src/model/reason.ts.
 */
enum slc_reason {
    SLC_REASON_NONE = 0,
    SLC_REASON_RULE = 1,
    SLC_REASON_SSH = 2,
    SLC_REASON_DEFAULT = 3,
    SLC_REASON_KEEP_REACHABLE = 4,
    SLC_REASON_GUARD = 5,
    SLC_REASON_ARP = 8,
    SLC_REASON_NEIGHBOUR_DISCOVERY = 9,
    SLC_REASON_MULTICAST_LISTENER = 10,
    SLC_REASON_LINK_PROTOCOL = 11,
    SLC_REASON_ICMP_ECHO = 12,
    SLC_REASON_ICMP_ERROR = 13,
    SLC_REASON_FLOW = 14,
    SLC_REASON_ANSWER = 15,
    SLC_REASON_FRAGMENT_FOLLOWS = 16,
    SLC_REASON_KEEP_REACHABLE_ANSWER = 17,
    SLC_REASON_ALLOW_ALL = 18,
    SLC_REASON_DHCP = 19,
    SLC_REASON_OWN_ANSWER = 20,
    SLC_REASON_TOO_SHORT = 32,
    SLC_REASON_VLAN_DEPTH = 33,
    SLC_REASON_VLAN_TRUNCATED = 34,
    SLC_REASON_ETHERTYPE = 35,
    SLC_REASON_IP_TRUNCATED = 36,
    SLC_REASON_IP_VERSION = 37,
    SLC_REASON_IPV4_IHL = 38,
    SLC_REASON_IP_LENGTH = 39,
    SLC_REASON_IPV6_CHAIN = 40,
    SLC_REASON_IPV6_CHAIN_LONG = 41,
    SLC_REASON_IPV6_ROUTING_0 = 42,
    SLC_REASON_L4_TRUNCATED = 43,
    SLC_REASON_L4_LENGTH = 44,
    SLC_REASON_TINY_FRAGMENT = 45,
    SLC_REASON_PORT_ZERO = 46,
    SLC_REASON_FRAGMENT = 47,
    SLC_REASON_ICMP_UNRELATED = 48,
    SLC_REASON_ICMP_QUOTE_SHORT = 49,
    SLC_REASON_ICMP_QUOTE_ERROR = 50,
    SLC_REASON_FRAGMENT_OVERLAP = 56,
    SLC_REASON_FRAGMENT_REFUSED = 57,
    SLC_REASON_FRAGMENT_LENGTH = 58,
    SLC_REASON_LIMIT = 60, /* counted at the rank behind the rule's */
    SLC_REASON_LIMIT_FULL = 61,
    SLC_REASON_BANNED = 68,
    SLC_REASON_UDP_OFF = 72, /* also a rank: the first row of a section whose UDP switch is off */
    SLC_REASON_ICMP_ECHO_SOURCE = 73,
    SLC_REASON_ICMP_ECHO_ALL = 74,
    SLC_REASON_IMAGE_FAULT = 96,
    SLC_REASON_GATE_EMPTY = 97, /* counted in slc_gate_counters */
    SLC_REASON_GATE_OPEN = 98,  /* counted in slc_gate_counters */
};

/* What became of a packet that goes out (SPEC 3, "Outbound"): the tier of its slc_result. */
enum slc_out {
    SLC_OUT_SANITY = 1, /* and link essentials */
    SLC_OUT_KEEP_REACHABLE = 2,
    SLC_OUT_GUARD = 3,
    SLC_OUT_FLOWS = 4,
    SLC_OUT_ANSWERS = 5,
    SLC_OUT_RULES = 6,
    SLC_OUT_DEFAULT = 7,
};

/* ---------------------------------------------------------------- the image (one flat array) */

/*
 * The image is one array value: header, section table, limit table, then a block a section, each compiled alone: its
 * root block, services, address-trie nodes, port-map nodes and leaf rules. An index within a block counts 8-byte slots
 * from the block's root, any other from the start of the image: so a block is the same bytes wherever it stands.
 * Numbers are host order.
 *
 * An image WORD (32 bits) is what a rule leads to: rank << 8 | tier << 4 | flags << 2 | action. Ranks ascend in
 * first-match order, so the smallest word wins. In a block they count from the section's first one (slc_section.rank),
 * which is added to the word that has won; then no two sections share a rank, but a section and its later fragments.
 * The tier is of enum slc_out in sections of packets that go out, else of enum slc_tier. SLC_WORD_NONE: nothing
 * matched.
 *
 * A SLOT (64 bits) describes its target, so that nodes need no header:
 *   node      bit 63 = 0: [0..31] index of child 0, [32..36] shift, [37..40] key word, [41..62] mask.
 *             child = child0 + ((key[word] >> shift) & mask). A node may skip bits: leaves verify everything.
 *             An address-trie node reads an address word, a port-map node the port or protocol word.
 *   leaf      bits 63..62 = 10: [0..30] slot index of the first leaf rule, [31] SLC_LEAF_SHORT: its rules are short
 * ones, [32..55] smallest rank in the leaf, [56..61] number of rules, 63 = as many as needed: the last one has
 *             SLC_RULE_LAST.
 *   classes   bits 63..62 = 10, number of rules 0; the third tree of a family alone: [0..31] slot index of a struct
 *             slc_classes, [32..55] smallest rank in it.
 *   terminal  bits 63..62 = 11: [0..31] the word: the region is wholly covered. SLC_WORD_NONE: nothing here.
 */
#define SLC_WORD_NONE 0xffffffffu
#define SLC_WORD_FAULT 0xffffff00u /* never in an image: the walk left the image */
#define SLC_WORD_ACTION_MASK 0x3u
#define SLC_WORD_LOG 0x4u     /* the first packet of each connection */
#define SLC_WORD_LOG_ALL 0x8u /* every packet */
#define SLC_WORD_TIER_SHIFT 4
#define SLC_WORD_TIER_MASK 0xfu
#define SLC_WORD_RANK_SHIFT 8
#define SLC_LEAF_SHORT 0x80000000u

enum slc_limits {
    SLC_PASS_FIRST = 8,           /* first reason that lets pass without a word */
    SLC_DROP_FIRST = 32,          /* first reason that drops */
    SLC_RANK_FIRST = 256,         /* ranks below are counter slots of reasons */
    SLC_REASON_SLOTS_OUT = 128,   /* first slot of the reasons of packets that go out */
    SLC_RANK_MAX = 0xfffffe,      /* 24 bits, the last value means none */
    SLC_TREES = 3,                /* groups: destination narrow, source narrow, both wide */
    SLC_MAX_STEPS = 48,           /* nodes between a root and a leaf */
    SLC_MAX_LEAF_RULES = 1 << 21, /* rules in a leaf */
    SLC_MAX_ETHERTYPES = 16,
    SLC_PROGRAM_SLOTS = 4,
    SLC_CONFIRM_WORDS = 256,
    SLC_FRESH_INTERFACES = 8, /* entries of slc_state.fresh */
    SLC_IPV6_CHAIN_MAX = 8,
    SLC_NEAR_LINES4 = 4, /* cache lines of a server's block that are read at once, see struct slc_near */
    SLC_NEAR_LINES6 = 8, /* the same of IPv6 */
    SLC_NEAR_SHIFT = 8,  /* of slc_near.step */
    SLC_NEAR_MAX = 64,   /* most of slc_section.near_lines and near_counters, of which so many are read at once: */
    SLC_NEAR_STEP = 8,
    SLC_SHORT_LEAF = 8,    /* most short rules of a leaf; so many others are compared in line */
    SLC_SECTIONS_SLOT = 8, /* the section table follows the header */
    SLC_BAN_STEPS = 8,     /* ended prefixes that are looked past */
    SLC_TABLE_WAYS = 8,    /* entries of a bucket of flows or fragments */
    SLC_TABLE_KEY_WORDS = 10,
    SLC_LIMIT_WAYS = 8,             /* windows of a bucket */
    SLC_LIMIT_STAMPS = 32,          /* attempts a window remembers, more than it needs */
    SLC_BUDGET_SOURCES = 4096,      /* slots of sources in a table of budgets */
    SLC_REJECTS_A_SOURCE = 10,      /* answers a second to a source */
    SLC_REJECTS_IN_ALL = 1000,      /* answers a second */
    SLC_REJECTS_OUT_A_SOURCE = 100, /* the same to those who wanted out */
    SLC_REJECTS_OUT_IN_ALL = 1000,
    SLC_TOLD = 4096,         /* entries of slc_told */
    SLC_OPEN_SECTIONS = 256, /* entries of slc_open: the whole edge (entry 0), and sections under ALLOW ALL */
    SLC_OPEN_ROWS = 16,      /* rows that an entry names */
    SLC_OWNERS = 4096,       /* numbers of slc_section.owner: more than there can be servers */
    SLC_WINDOW_CROWD = 4, /* windows of a bucket that those above their share can fill, see slc_window_shared_victim */
};

/* First bytes of the image. */
struct slc_image_header {
    __u32 magic;       /* SLC_IMAGE_MAGIC */
    __u32 abi_version; /* SLC_ABI_VERSION */
    __u32 slots;       /* 8-byte slots in use */
    __u32 sections;    /* slot index of the section table: SLC_SECTIONS_SLOT */
    __u32 section_count;
    __u32 counter_slots; /* highest rank + 1 */
    __u32 limits;        /* slot index of the limit table */
    __u32 limit_count;
    __u32 flow_share;   /* flows that each server has room for, whatever the others have; and the edge itself */
    __u32 window_share; /* the same of windows of limit rules */
    __u32 event_share;  /* events of each server in a window of the caps, for each CPU */
    /*
     * By entry of the guard: of the ports of the key (destination port, or ICMP type and code), the first and the last
     * that any of its rows matches, first << 16 | last; 0xffff: all. Most packets have none of keep-reachable's.
     */
    __u32 kept_ports;
    __u32 guard_in_ports;
    __u32 guard_out_ports;
    __u32 reserved[2];
};
#define SLC_IMAGE_MAGIC 0x43554c53u /* "SLUC" */

/* Entries of the section table that every image has, used or not. Servers follow. */
enum slc_entry {
    SLC_ENTRY_INBOUND = 0,        /* tiers 7-9 */
    SLC_ENTRY_OUTBOUND = 1,       /* outbound steps 6 and 7 */
    SLC_ENTRY_KEEP_REACHABLE = 2, /* tier 3.1 */
    SLC_ENTRY_GUARD_IN = 3,       /* tier 3.3 */
    SLC_ENTRY_GUARD_OUT = 4,      /* outbound step 3 */
    SLC_ENTRY_KEPT_LATER = 5,     /* the same three as far as later fragments show what rows look at */
    SLC_ENTRY_GUARD_IN_LATER = 6,
    SLC_ENTRY_GUARD_OUT_LATER = 7,
    SLC_ENTRY_OWNERS = 8,  /* whose a packet is: its words' ranks are entries of this table, its default inbound's */
    SLC_ENTRY_SERVERS = 9, /* the first server: tiers 6-9 of the packets that it owns */
};

/*
 * What a packet of a family reads of a server's only tree before it knows what it needs: SLC_NEAR_LINES4 or
 * SLC_NEAR_LINES6 cache lines, from `first` on (counted from the root block; 0: none), `step` >> SLC_NEAR_SHIFT lines
 * farther for each number of the root node's child that the packet leads to: leaves stand in the order of these
 * children.
 */
struct slc_near {
    __u16 first;
    __u16 step;
};

/*
 * A section, by enum slc_entry: where its block stands, and what is added to the ranks in it. Where confirm is not 0
 * and its word in slc_confirm holds a passed deadline, the block before judges.
 */
struct slc_section {
    __u32 root; /* slot index of the root block */
    __u32 rank; /* the section's first */
    __u32 previous_root;
    __u32 previous_rank;
    __u16 confirm;      /* index into slc_confirm, 0 = nothing pending */
    __u8 used;          /* 1: its rows or its default can decide anything */
    __u8 previous_used; /* the same of the block before */
    __u8 near_lines;    /* cache lines behind a small server's root block, all of which are read at once where a family
                           has several trees; else 0 */
    __u8 near_counters; /* the same of its counters */
    __u16 owner;        /* number of a server, below SLC_OWNERS, the same in every generation; 0: the edge's own. Given
                           when an image is loaded */
    __u64 id; /* of what judges in tiers 6-9, else 0: first 8 bytes of SHA-256 of "allow-all/" and the section's name,
                 the same in every generation */
    __u64 tree4; /* of a server whose block has one tree in that family, and short rules alone: its slot, so that the */
    __u64 tree6; /* root block is not read; else SLC_TREE_NONE */
    __u32 default_word; /* as in the root block */
    struct slc_near near4;
    struct slc_near near6;
    __u32 reserved;
};
#define SLC_TREE_NONE 0ull

/*
 * Root block of a section, a cache line: a slot a tree, the word of the default, where services stand, and the smallest
 * word that the second tree and the third have in either family (SLC_WORD_NONE: none), so that one that cannot win is
 * not walked. The default is SLC_WORD_NONE where a packet that no row matches goes on: keep-reachable and guard.
 */
struct slc_roots {
    __u64 trees4[3]; /* SLC_TREES */
    __u64 trees6[3];
    __u32 default_word;
    __u32 services; /* index of the service table */
    __u32 least[2];
};

/*
 * What trees look at, in host order. IPv4: word 0 destination, 4 source. IPv6: words 0-3 destination, 4-7 source,
 * most significant first. Word 8: destination port << 16 | source port; for ICMP type << 24 | code << 16.
 * Word 9: protocol lane (see SLC_LANE).
 */
struct slc_key {
    __u32 words[16]; /* 10-15 are anything: a slot can name 16 words, so no index needs a check */
};
enum slc_key_word {
    SLC_KEY_DESTINATION = 0,
    SLC_KEY_SOURCE = 4,
    SLC_KEY_PORTS = 8,
    SLC_KEY_PROTOCOL = 9,
};

/*
 * Protocol lane: the IP protocol number with 7 and 17 exchanged, so that TCP (6) and UDP (17 -> 7) are neighbours
 * and "a port without a protocol" is one range. Protocols that carry no ports look at ports 0 and 0; ICMP carries
 * type << 8 | code in the destination port's place.
 */
#define SLC_LANE(protocol) ((protocol) == 17 ? 7 : (protocol) == 7 ? 17 : (protocol))

/*
 * What a limit rule counts by: an entry of the limit table, ascending by rank. The rank behind the rule's own is no
 * rule's: what the rule refuses is counted there.
 */
struct slc_limit_rule {
    __u64 id; /* first 8 bytes of SHA-256 of "section/rule id": windows belong to it, whatever the rank */
    __u32 rank;
    __u32 window_ms; /* at most SLC_LIMIT_WINDOW_MAX_MS */
    __u8 count;      /* the attempt refused within the window: 2..SLC_LIMIT_STAMPS */
    __u8 verdict;    /* SLC_ACTION_DENY or SLC_ACTION_REJECT */
    __u8 prefix4;    /* bits of a source that are one source */
    __u8 prefix6;
    __u32 reserved;
};
#define SLC_LIMIT_WINDOW_MAX_MS 3600000u
/* A limit rule's refusals are counted this many ranks behind its own. */
#define SLC_LIMIT_REFUSED_RANK 1u

/*
 * Service: three guarded lanes, so that one subtraction checks three ranges:
 * bits 0-15 destination port, guard 16; 17-32 source port, guard 33; 34-41 protocol lane, guard 42.
 * lo and hi hold the inclusive bounds; guards are 0 in lo and 1 in hi.
 * match: ((((p | G) - lo) & (hi - p)) & G) == G
 */
struct slc_service {
    __u64 lo;
    __u64 hi;
};
#define SLC_SERVICE_SOURCE_SHIFT 17
#define SLC_SERVICE_PROTOCOL_SHIFT 34
#define SLC_SERVICE_GUARDS ((1ull << 16) | (1ull << 33) | (1ull << 42))

/*
 * Leaf rule, IPv4. An address matches when (packet ^ rule) >> shift == 0 in 64 bits; shift 32 = any. The number of the
 * service has 19 bits, of which the upper three stand above the shifts.
 */
struct slc_rule4 {
    __u32 destination;
    __u32 source;
    __u16 service;          /* bits 0-15 of the number */
    __u8 destination_shift; /* bits 6-7: bits 16-17 of the service's number */
    __u8 source_shift;      /* bit 6: bit 18 of the service's number; bit 7, SLC_RULE_LAST: last rule of its leaf */
    __u32 word;
};
#define SLC_RULE_LAST 0x80u
#define SLC_RULE_SHIFT_MASK 0x3fu

/*
 * Leaf rule, IPv6. Addresses as two 64-bit halves, most significant first. A half matches when
 * (packet ^ rule) >> shift == 0; shift 64 = any (done as two shifts).
 */
struct slc_rule6 {
    __u64 destination[2];
    __u64 source[2];
    __u8 destination_shift[2];
    __u8 source_shift[2];
    __u16 service;      /* bits 0-15 of its number */
    __u8 last;          /* SLC_RULE_LAST or 0 */
    __u8 service_above; /* bits 16-18 of the service's number */
    __u32 word;
    __u32 reserved;
};

/*
 * Class tables, a cache line: wide rules told by classes of each field, so that a packet takes the same loads however
 * many of them overlap. Tables are of 16-bit numbers, and their places count such numbers from the section's block.
 *
 * A map of a field is a trie of nodes of 256 numbers, a byte of the field each, the most significant first; from node 0
 * on a number is the next node, of the last byte the class. An address has SLC_CLASS_BYTES bytes here, a port two, the
 * protocol lane one. Then
 *   line   = lines[destination class * source_count + source class]
 *   column = columns[port class * lane_count + lane class]
 *   place  = cells[line * column_count + column]; where rules look at source ports that is a list, and
 *   place  = lists[list * source_port_count + source port class]
 *   word   = words[place], of 32 bits; SLC_WORD_NONE where no rule matches.
 */
struct slc_classes {
    __u32 destinations;
    __u32 sources;
    __u32 ports;
    __u32 lanes;
    __u32 columns;
    __u32 lines;
    __u32 cells;
    __u32 source_ports;
    __u32 lists;
    __u32 words; /* counts 32-bit words from the section's block */
    __u32 source_count;
    __u32 lane_count;
    __u32 column_count;
    __u32 source_port_count; /* 0: no rule looks at the source port */
    __u32 reserved[2];
};
/* First bytes of an address that class tables look at; the prefixes in them are no longer. */
#define SLC_CLASS_BYTES4 2
#define SLC_CLASS_BYTES6 4

/*
 * Short rules, in leaves of servers and of what finds them: they look at one address, the destination port and the
 * protocol. They say their service themselves, so that hardly a packet needs a cache line besides that of its rule.
 */
struct slc_short4 {
    __u32 address;
    __u16 port_first;
    __u16 port_last;
    __u8 shift;
    __u8 key_word; /* of the address: SLC_KEY_DESTINATION or SLC_KEY_SOURCE */
    __u8 lane_first;
    __u8 lane_last;
    __u32 word;
};

struct slc_short6 {
    __u64 address[2];
    __u16 port_first;
    __u16 port_last;
    __u8 shift[2];
    __u8 lane_first;
    __u8 lane_last;
    __u32 word;
    __u8 key_word;
    __u8 reserved[3];
};

/* ---------------------------------------------------------------- counters */

/*
 * What a CPU has counted of a rank or reason: a row of them per possible CPU (key: SLC_HITS_ROWS + CPU number), one
 * slot per rank, so that a hit needs no table in between. Plain memory, written by its CPU only, read by user space
 * through mmap. As small as can be, since where there are many thousand rows each hit is a miss of the near caches: one
 * word, time << SLC_HITS_TIME_SHIFT | packets << SLC_HITS_PACKETS_SHIFT | bytes, where time is that of the newest
 * packet, bpf_jiffies64 >> SLC_HITS_TICK_SHIFT, of which the lowest 30 bits are kept: it comes round after two years at
 * 1,000 jiffies a second. Where packets or bytes are half full their CPU adds both to the rows of the keys
 * SLC_HITS_PACKETS_ROW and SLC_HITS_BYTES_ROW, which all CPUs share, and begins anew; SLC_HITS_FULL says that this is
 * under way. So a reader has the sum of what is in the shared rows and in those of all CPUs where the shared ones were
 * the same before and after, and no CPU's was full.
 */
struct slc_hits {
    __u64 recent;
};
#define SLC_HITS_PACKETS_ROW 0u
#define SLC_HITS_BYTES_ROW 1u
#define SLC_HITS_ROWS 2u
#define SLC_HITS_PACKETS_SHIFT 22
#define SLC_HITS_TIME_SHIFT 34
#define SLC_HITS_TICK_SHIFT 6
#define SLC_HITS_FULL ((1ull << 33) | (1ull << 21))
/* A packet that the stack has not cut yet can be more packets; then all but one go to the shared rows at once. */
#define SLC_HITS_PACKETS_MOST 1024u

/* What a gate has counted of a reason of its own. */
struct slc_counter {
    __u64 packets;
    __u64 bytes;
    __u64 last_hit; /* bpf_jiffies64 of the newest packet, 0 = never */
    __u64 events;   /* unused */
};

/* ---------------------------------------------------------------- state shared by generations */

/*
 * The gate word: [0..3] slot that judges, [4..7] slot before the change, [8..15] reserved, [16..63] the deadline in
 * boot-time ns with its low 16 bits cut (0 = confirmed). Past the deadline the gate uses the slot before, and passes
 * everything on interfaces that were not filtered before (slc_state.fresh).
 * Slot SLC_SLOT_OPEN passes everything, counted; it is never a program slot.
 */
#define SLC_GATE_SLOT_MASK 0xfull
#define SLC_GATE_PREVIOUS_SHIFT 4
#define SLC_GATE_DEADLINE_MASK (~0xffffull)
#define SLC_SLOT_OPEN 15u

/*
 * The one value of slc_state: pinned, mmapable, shared by all hooks and interfaces of a ruleset. What comes before
 * ban_hosts is its head: it stays where it is and means what it means in every version, since a newer one reads it to
 * take over from an older one.
 */
struct slc_state {
    __u64 gate;
    __u32 slot_generation[4]; /* generation held by each program slot, 0 = empty (SLC_PROGRAM_SLOTS) */
    __u32 abi_version;
    __u32 hz;              /* jiffies a second, measured once */
    __u64 next_generation; /* number the next apply takes */
    __u64 seed;            /* random: names this installation, seeds the hash tables */
    __u32 ban_hosts;       /* entries of slc_ban_hosts, at least: 0 only where there is none */
    __u32 ban_nets;        /* of slc_ban_nets; the two are written as one 64-bit word */
    __u64 open;            /* the last of the deadlines in slc_open, CLOCK_BOOTTIME ns; 0: all are closed */
    __u32 fresh[8];        /* SLC_FRESH_INTERFACES: interfaces (ifindex, 0 = none) that were not filtered before the
                              change that waits to be confirmed: past the deadline all passes there */
    __u64 reserved[4];
};

/* ---------------------------------------------------------------- ALLOW ALL */

/* Packets of a row that would have refused them. Written by the program but for `judged` 0, which user space writes. */
struct slc_open_row {
    __u64 judged; /* generation << 32 | rank, 0 = free */
    __u64 packets;
    __u64 bytes;
    __u64 last_hit;  /* CLOCK_BOOTTIME ns */
    __u32 source[4]; /* of the newest packet, host order; IPv4 uses word 0 */
    __u32 family;    /* 4 or 6 */
    __u32 reserved;
};

/*
 * One value of slc_open: what passes the tiers 6-9 of a section, or of all of them (entry 0), until the deadline. The
 * program reads the deadline and writes the counts.
 */
struct slc_open {
    __u64 deadline; /* CLOCK_BOOTTIME ns, 0 = closed */
    __u64 id;       /* of struct slc_section; entry 0: 0 */
    __u64 packets;  /* that would have been refused */
    __u64 bytes;
    __u64 unlisted; /* of these, by rows that found no place in `rows` */
    __u64 reserved[3];
    struct slc_open_row rows[16]; /* SLC_OPEN_ROWS */
};

/* ---------------------------------------------------------------- flows */

/*
 * What was opened from inside (SPEC 3.4), named by the tuple on the wire: after NAT on the way out, before it on the
 * way in. `local` is the inside's end. Host order; IPv4 uses word 0, the others are zero. For an echo `local_port` is
 * the identifier and `remote_port` 0; protocols without ports have 0 and 0. Compared as five 64-bit words.
 */
struct slc_flow_key {
    __u32 local[4];
    __u32 remote[4];
    __u16 local_port;
    __u16 remote_port;
    __u8 protocol;
    __u8 family;
    __u16 reserved;
} __attribute__((aligned(8)));

/* What our own packets have told of a TCP connection. What comes from outside tells nothing: it can be forged. */
enum slc_flow_flag {
    SLC_FLOW_ACKED = 1,    /* a packet with ACK went out: established */
    SLC_FLOW_CLOSED = 2,   /* our FIN went out */
    SLC_FLOW_RESET = 4,    /* the last packet that went out was a RST */
    SLC_FLOW_DOUBTED = 8,  /* a packet came in since an earlier generation let one out: it ends soon */
    SLC_FLOW_REFUSED = 16, /* the rules of a later generation refused what went out: nothing comes in */
};

/* How long a flow outlives the last packet that went out; index into the timeouts. Sources: src/model/flow.ts. */
enum slc_flow_timeout {
    SLC_FLOW_TIMEOUT_TCP_OPENING = 0,
    SLC_FLOW_TIMEOUT_TCP_ESTABLISHED = 1,
    SLC_FLOW_TIMEOUT_TCP_CLOSING = 2,
    SLC_FLOW_TIMEOUT_TCP_RESET = 3,
    SLC_FLOW_TIMEOUT_DATAGRAM = 4,
    SLC_FLOW_TIMEOUT_DATAGRAM_STREAM = 5,
    SLC_FLOW_TIMEOUT_ECHO = 6,
    SLC_FLOW_TIMEOUT_OTHER = 7,
    SLC_FLOW_STREAM_AGE = 8,      /* no timeout: age from which on datagrams are a stream */
    SLC_FLOW_TIMEOUT_DOUBTED = 9, /* from the first packet that comes in under a later generation on */
    SLC_FLOW_LAG = 10,            /* no timeout: by how much an end may lag behind, see slc_flow_stays_so */
    SLC_FLOW_TIMEOUTS = 11,
};

struct slc_flow {
    struct slc_flow_key key;
    __u64 expires;    /* bpf_jiffies64 from which on it is none */
    __u64 opened;     /* bpf_jiffies64 of the packet that opened it */
    __u32 generation; /* that judged it last; with SLC_GENERATION_RETURNED where `outbound` was again what it was before
                       */
    __u8 flags;       /* enum slc_flow_flag */
    __u8 reserved;
    __u16 owner; /* slc_section.owner of whoever has the address and the port that opened it; SLC_OWNERS: nobody's, it
                    has ended */
};

/* No generation has such a number. */
#define SLC_GENERATION_RETURNED 0x80000000u

/*
 * One value of slc_flows; which ways can hold a key says slc_flow_tags. Ways are read and written under the lock; one
 * whose `expires` is 0 is empty. A multiple of a cache line long, with the ways behind 8 bytes: an array's values begin
 * 8 bytes before a line where the kernel is a recent one, and then each way is a line.
 */
struct slc_flow_bucket {
    struct bpf_spin_lock lock;
    __u32 reserved;
    struct slc_flow ways[8]; /* SLC_TABLE_WAYS */
    __u64 unused[7];
};

/*
 * What one owner (slc_section.owner) has of a table that all share: one value of slc_flow_shares or slc_window_shares
 * holds that of all. Changed by all CPUs.
 */
struct slc_share {
    __u64 held;    /* ways that hold an entry of his, alive or not yet given to another */
    __u64 evicted; /* of his, live ones that made room */
    __u64 refused; /* of his, newcomers that found none */
    __u64 reserved;
};

struct slc_shares {
    struct slc_share of[4096]; /* SLC_OWNERS */
};

/* What became of the entries of a table, one for each CPU. */
struct slc_table_figures {
    __u64 made;
    __u64 evicted; /* live ones that made room for another: the table is too small */
};

/* ---------------------------------------------------------------- bans */

/* Key of slc_ban_hosts: an IPv4 address in word 0, or the upper half of an IPv6 address. Host order. */
struct slc_ban_host {
    __u32 words[2];
    __u32 family; /* 4 or 6 */
};

/* Key of slc_ban_nets, an LPM trie: the family stands before the address as 32 bits of every prefix. */
struct slc_ban_net {
    __u32 length; /* SLC_BAN_FAMILY_BITS + that of the prefix */
    __be32 family;
    __be32 address[4];
};
#define SLC_BAN_FAMILY_BITS 32u

/* Value of both. An entry past its end bans nobody, and stays until user space removes it. */
struct slc_ban {
    __u64 expires;  /* CLOCK_BOOTTIME ns; SLC_BAN_FOREVER */
    __u64 packets;  /* dropped, counted by all CPUs */
    __u64 last_hit; /* CLOCK_BOOTTIME ns, 0 = never */
    __u32 length;   /* of the LPM key: what a look-up does not tell; 0 for a host */
    __u32 reserved;
};
#define SLC_BAN_FOREVER 0xffffffffffffffffull

/*
 * The one value of slc_ban_filter: bits of what is banned, small enough for the caches, so that hardly a source that is
 * not banned asks a map. Bit i is bit i % 64 of word i / 64. A bit may be set without a ban, never the other way round.
 */
struct slc_ban_filter {
    __u64 hosts[16384]; /* bit (word 0 * FACTOR_0 ^ word 1 * FACTOR_1) >> HOST_SHIFT of each host's key */
    __u64 nets4[1024];  /* the upper halves of the IPv4 addresses that prefixes hold */
    __u64 nets6[1024];  /* bit (upper 32 bits * FACTOR_0) >> NET_SHIFT of the IPv6 addresses that they hold */
};
/* 32-bit arithmetic. Odd factors, without a bit pattern of their own (the golden ratio; xxHash's second). */
#define SLC_BAN_FACTOR_0 0x9e3779b1u
#define SLC_BAN_FACTOR_1 0x85ebca77u
#define SLC_BAN_HOST_SHIFT 12u /* of 32 bits 20 are left */
#define SLC_BAN_NET_SHIFT 16u

/* ---------------------------------------------------------------- fragments */

/*
 * A packet in fragments, of which the first passed (SPEC 3.4). Host order; IPv4 uses word 0 of the addresses. What
 * receivers tell packets apart by: IPv4 with the protocol (RFC 791 3.2), IPv6 without (RFC 8200 4.5). Compared as five
 * 64-bit words.
 */
struct slc_fragment_key {
    __u32 source[4];
    __u32 destination[4];
    __u32 identification;
    __u8 protocol; /* IPv4 */
    __u8 family;
    __u8 hook; /* enum slc_hook: later ones follow a first that went the same way */
    __u8 reserved;
} __attribute__((aligned(8)));

enum slc_hook {
    SLC_HOOK_INGRESS = 0,
    SLC_HOOK_EGRESS = 1,
};

/* A first fragment that passed. */
struct slc_first_fragment {
    struct slc_fragment_key key;
    __u64 expires; /* bpf_jiffies64 from which on it is none */
    __u32 judged;  /* bytes from the start of its data that no later one may touch: they were judged */
    __u32 reserved0;
    __u64 reserved1;
};

/* One value of slc_fragments, see struct slc_flow_bucket. */
struct slc_fragment_bucket {
    struct bpf_spin_lock lock;
    __u32 reserved;
    struct slc_first_fragment ways[8]; /* SLC_TABLE_WAYS */
    __u64 unused[7];
};

/* ---------------------------------------------------------------- events */

/* How much is told (SPEC 7); what each level takes: bpf/events.h and src/model/log-word.ts. */
enum slc_log_level {
    SLC_LOG_LEVEL_OFF = 0,
    SLC_LOG_LEVEL_LOW = 1,
    SLC_LOG_LEVEL_MEDIUM = 2,
    SLC_LOG_LEVEL_HIGH = 3,
    SLC_LOG_LEVEL_FULL = 4,
};

/* What an event is about: the words in the brackets of its line. */
enum slc_log {
    SLC_LOG_NONE = 0,
    SLC_LOG_BLOCK = 1,
    SLC_LOG_ALLOW = 2,
    SLC_LOG_LIMIT_BLOCK = 3,
    SLC_LOG_LIMIT = 4,
    SLC_LOG_AUDIT = 5,
    SLC_LOG_AUDIT_INVALID = 6,
};

enum slc_event_limits {
    SLC_EVENT_FRAME_BYTES = 160, /* of the frame that an event carries: all headers, and what an ICMP error quotes */
    SLC_EVENT_SOURCES = 4096,    /* slots of sources a CPU */
    /* Events in a window of 1 << slc_event_window ticks, about a second, for each CPU. */
    SLC_EVENT_CAP_ALL = 128,
    SLC_EVENT_CAP_RULE = 32,
    SLC_EVENT_CAP_SOURCE = 4, /* also the least of slc_image_header.event_share */
};

/* One record of slc_events. */
struct slc_event {
    __u64 time;       /* CLOCK_BOOTTIME ns */
    __u32 word;       /* image word that decided, SLC_WORD_NONE where none */
    __u32 generation; /* whose word that is */
    __u32 ifindex;
    __u32 bytes;    /* of the frame */
    __u16 section;  /* index in the section table */
    __u16 captured; /* bytes of `frame` that are set */
    __u8 outgoing;  /* 1: at the egress hook */
    __u8 tier;      /* enum slc_tier; of a packet that goes out enum slc_out */
    __u8 reason;    /* enum slc_reason */
    __u8 log;       /* enum slc_log */
    __u8 passed;
    __u8 reserved[3];
    __u8 frame[160]; /* SLC_EVENT_FRAME_BYTES: its first bytes, from the Ethernet header on */
};

/*
 * What became of events, one for each CPU: made = written + capped_* + ring_full. A cap is a window (bpf_jiffies64 >>
 * slc_event_window) in the upper and the events in it in the lower half of 64 bits.
 */
struct slc_event_figures {
    __u64 made;
    __u64 written;
    __u64 capped_all;
    __u64 capped_rule;
    __u64 capped_source;
    __u64 ring_full;
    __u64 events; /* of this CPU in the newest window, but for those of servers */
    __u64 capped_server;
};

/*
 * Events of a rank in its newest window, by rank, a row for each CPU: the window's lowest 24 bits <<
 * SLC_EVENT_RANK_SHIFT | events.
 */
#define SLC_EVENT_RANK_SHIFT 8

/* Events of one server: its cap, and what became of them: all but those that found the ring full. */
struct slc_event_owner {
    __u64 events; /* in the newest window */
    __u64 told;
    __u64 capped;
};

/*
 * One row of slc_event_sources for each CPU. A slot of a source, which it has at each server another one, is a cap with
 * that server's number in bits 16-31: sources of one server whose hash names the same slot share it, one of another
 * server takes it anew.
 */
struct slc_event_sources {
    __u64 events[4096];                  /* SLC_EVENT_SOURCES */
    struct slc_event_owner owners[4096]; /* SLC_OWNERS */
};

/* The one value of slc_clock: what slc_read_clock saw. */
struct slc_clock {
    __u64 jiffies; /* bpf_jiffies64 */
    __u64 boot_ns; /* CLOCK_BOOTTIME */
    __u64 tick_ns; /* CLOCK_MONOTONIC_COARSE: CLOCK_MONOTONIC as it was at the newest tick */
};

/* ---------------------------------------------------------------- limits */

/*
 * One value of slc_windows: eight windows, each of a source at a limit rule; or UDP pairs that the rule has seen. Whose
 * a window is are 52 bits of a secret hash, then the 12 of its slc_section.owner; 0 an empty way, whose other fields
 * are 0 too.
 *
 * What a newcomer reads and writes are three neighbouring cache lines, and all of these together are less than a second
 * level cache has; attempts before the newest are in slc_attempts. For the 8 bytes in front see struct slc_flow_bucket.
 */
struct slc_window_bucket {
    __u8 next[8];       /* place in slc_attempts that is written next */
    __u64 keys[8];      /* SLC_LIMIT_WAYS */
    __u64 newest[8];    /* ms (slc_clock.tick_ns) of the newest attempt, or of a pair's newest packet,
                           << SLC_WINDOW_FULL_BITS | for how many ms after it the next attempt is refused */
    __u32 window_ms[8]; /* as the rule said it then: for so long after the newest it lives */
    __u8 attempts[8];   /* the newest and those in slc_attempts */
    __u32 held;         /* 1: a program works on the bucket, see slc_window_hold */
    __u32 reserved;
    __u64 unused;
};
#define SLC_WINDOW_OWNER_MASK 0xfffull /* SLC_OWNERS - 1 */
#define SLC_WINDOW_FULL_BITS 22        /* SLC_LIMIT_WINDOW_MAX_MS fits */

/*
 * One value of slc_attempts, written while the bucket of slc_windows with the same number is held: when the attempts
 * before the newest came, as the low words of milliseconds. A window that saw nothing for its length begins anew, so
 * none that is looked at is older than a ring of gaps of an hour.
 */
struct slc_attempts {
    __u32 stamps[256]; /* SLC_LIMIT_WAYS rings of SLC_LIMIT_STAMPS */
};

/* ---------------------------------------------------------------- answers to what is rejected */

/* What became of rejected packets; slc_reject_stats holds one for each hook and CPU. */
struct slc_reject_figures {
    __u64 answered;
    __u64 capped;     /* over the budget of the source, or of all */
    __u64 unanswered; /* of a kind that is never answered */
};

/* ---------------------------------------------------------------- the dry twin */

/* What the dry twin writes instead of counting: map slc_result, one value. */
struct slc_result {
    __u32 action;  /* what the hook returns: XDP_PASS, XDP_DROP or XDP_TX, TCX_NEXT or TCX_DROP */
    __u8 tier;     /* enum slc_tier; of a packet that goes out enum slc_out */
    __u8 reason;   /* enum slc_reason */
    __u16 section; /* index in the section table */
    __u32 word;    /* image word that decided, SLC_WORD_NONE where none */
    __u16 nodes;   /* address-trie and port-map nodes read */
    __u16 leaves;  /* leaves read */
    __u16 rules;   /* leaf rules compared */
    __u8 log;      /* enum slc_log: what the packet would be written as */
    __u8 reserved0;
    __u32 runs; /* counts runs, so that a reader sees a result is its own */
    __u32 reserved1[2];
};

#define SLC_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)
#define SLC_ASSERT_OFFSET(type, field, at) _Static_assert(__builtin_offsetof(type, field) == (at), "place of " #field)
#ifdef __cplusplus
#undef SLC_ASSERT_SIZE
#undef SLC_ASSERT_OFFSET
#define SLC_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), "size of " #type)
#define SLC_ASSERT_OFFSET(type, field, at) static_assert(__builtin_offsetof(type, field) == (at), "place of " #field)
#endif
SLC_ASSERT_SIZE(struct slc_image_header, 64);
SLC_ASSERT_SIZE(struct slc_near, 4);
SLC_ASSERT_SIZE(struct slc_section, 64);
SLC_ASSERT_SIZE(struct slc_roots, 64);
SLC_ASSERT_SIZE(struct slc_key, 64);
SLC_ASSERT_SIZE(struct slc_service, 16);
SLC_ASSERT_SIZE(struct slc_rule4, 16);
SLC_ASSERT_SIZE(struct slc_rule6, 48);
SLC_ASSERT_SIZE(struct slc_classes, 64);
SLC_ASSERT_SIZE(struct slc_short4, 16);
SLC_ASSERT_SIZE(struct slc_short6, 32);
SLC_ASSERT_SIZE(struct slc_counter, 32);
SLC_ASSERT_SIZE(struct slc_hits, 8);
SLC_ASSERT_SIZE(struct slc_state, 128);
SLC_ASSERT_OFFSET(struct slc_state, gate, 0);
SLC_ASSERT_OFFSET(struct slc_state, slot_generation, 8);
SLC_ASSERT_OFFSET(struct slc_state, abi_version, 24);
SLC_ASSERT_OFFSET(struct slc_state, hz, 28);
SLC_ASSERT_OFFSET(struct slc_state, next_generation, 32);
SLC_ASSERT_OFFSET(struct slc_state, seed, 40);
SLC_ASSERT_SIZE(struct slc_open_row, 56);
SLC_ASSERT_SIZE(struct slc_open, 960);
SLC_ASSERT_SIZE(struct slc_flow_key, 40);
SLC_ASSERT_SIZE(struct slc_flow, 64);
SLC_ASSERT_SIZE(struct slc_flow_bucket, 576);
SLC_ASSERT_SIZE(struct slc_limit_rule, 24);
SLC_ASSERT_SIZE(struct slc_window_bucket, 192);
SLC_ASSERT_SIZE(struct slc_attempts, 1024);
SLC_ASSERT_SIZE(struct slc_reject_figures, 24);
SLC_ASSERT_SIZE(struct slc_ban_host, 12);
SLC_ASSERT_SIZE(struct slc_ban_net, 24);
SLC_ASSERT_SIZE(struct slc_ban, 32);
SLC_ASSERT_SIZE(struct slc_ban_filter, 147456);
SLC_ASSERT_SIZE(struct slc_table_figures, 16);
SLC_ASSERT_SIZE(struct slc_fragment_key, 40);
SLC_ASSERT_SIZE(struct slc_first_fragment, 64);
SLC_ASSERT_SIZE(struct slc_fragment_bucket, 576);
SLC_ASSERT_SIZE(struct slc_event, 200);
SLC_ASSERT_SIZE(struct slc_event_figures, 64);
SLC_ASSERT_SIZE(struct slc_event_owner, 24);
SLC_ASSERT_SIZE(struct slc_event_sources, 131072);
SLC_ASSERT_SIZE(struct slc_share, 32);
SLC_ASSERT_SIZE(struct slc_shares, 131072);
SLC_ASSERT_SIZE(struct slc_clock, 24);
SLC_ASSERT_SIZE(struct slc_result, 32);

#endif /* SLUICE_ABI_H */
