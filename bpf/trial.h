/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sections that wait to be confirmed, each by its own deadline: whether what was before judges again. A packet is
 * judged by one moment: the clock is read once, and only for packets of such a section. TypeScript twin:
 * src/model/trial.ts.
 */
#ifndef SLUICE_TRIAL_H
#define SLUICE_TRIAL_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "config.h"
#include "maps.h"
#include "packet.h"

/* A packet begins: nobody has asked what time it is. On the stack the time would make the verifier walk a third more.
 */
static __always_inline void slc_begin_moment(void) {
    __u64 *moment = slc_trials ? slc_only(&slc_moment) : 0;

    if (moment)
        *moment = 0;
}

/* Whether what was before judges again in an entry of the section table. */
static __always_inline int slc_has_returned(const struct slc_section *entry) {
    __u32 confirm = slc_trials ? entry->confirm : 0;
    const __u64 *word;
    __u64 *moment, deadline;

    if (!confirm)
        return 0;
    word = slc_row(&slc_confirm, confirm);
    deadline = word ? *(const volatile __u64 *)word : 0;
    moment = slc_only(&slc_moment);
    if (!deadline || !moment)
        return 0;
    if (!*moment)
        *moment = slc_now_ns();
    return *moment >= deadline;
}

/* An entry of the section table in a program that looks for those that wait; else null. */
static __always_inline const struct slc_section *slc_trial_entry(__u32 section) {
    return slc_trials ? slc_section_of(section) : 0;
}

/* Whether the rows or the default of a section can decide anything now; `ever`: whether they can in either state. */
static __always_inline int slc_is_used(__u32 section, int ever) {
    const struct slc_section *entry = ever ? slc_trial_entry(section) : 0;

    if (!entry)
        return ever;
    return slc_has_returned(entry) ? entry->previous_used : entry->used;
}

/*
 * Takes down by which state of `outbound` the packet's flow is judged: before its rows are asked, so that what these
 * let out at the last moment is in doubt at the next.
 */
static __always_inline void slc_note_outbound(struct slc_packet *packet) {
    const struct slc_section *entry = slc_trial_entry(SLC_ENTRY_OUTBOUND);

    if (entry)
        packet->outbound_returned = slc_has_returned(entry);
}

#endif
