/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tier 5: how many echo-requests pass in a second, of each source and in all. TypeScript twin: src/model/echo.ts.
 */
#ifndef SLUICE_ECHO_H
#define SLUICE_ECHO_H

#include "budget.h"
#include "config.h"
#include "maps.h"
#include "packet.h"

/* The reason to pass or drop an echo-request. */
static __noinline int slc_judge_echo(const struct slc_packet *packet) {
    if (!packet)
        return SLC_REASON_IMAGE_FAULT;
    switch (slc_take(&slc_echo_budget, 0, packet, slc_echo_rate_source, slc_echo_rate)) {
    case SLC_SPENT_NONE:
        return SLC_REASON_ICMP_ECHO;
    case SLC_SPENT_SOURCE:
        return SLC_REASON_ICMP_ECHO_SOURCE;
    default:
        return SLC_REASON_ICMP_ECHO_ALL;
    }
}

#endif
