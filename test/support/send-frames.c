// SPDX-License-Identifier: Apache-2.0
/*
 * Puts frames on a link: send-frames LINK < FRAMES, each a length (32 bits, host order) and its bytes. Small bursts
 * with a pause, so that the receiver's backlog (1,000 packets) never fills.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BURST 64
#define PAUSE_US 200
#define LONGEST 65536

static void fail(const char *what) {
    perror(what);
    exit(1);
}

int main(int argc, char **argv) {
    struct sockaddr_ll link = {.sll_family = AF_PACKET};
    static uint8_t frame[LONGEST];
    unsigned long sent = 0;
    uint32_t length;
    int out;

    if (argc != 2) {
        fprintf(stderr, "usage: send-frames LINK < FRAMES\n");
        return 2;
    }
    /* protocol 0: this socket receives nothing */
    out = socket(AF_PACKET, SOCK_RAW, 0);
    link.sll_ifindex = if_nametoindex(argv[1]);
    if (out < 0 || !link.sll_ifindex || bind(out, (struct sockaddr *)&link, sizeof(link)))
        fail(argv[1]);
    while (fread(&length, sizeof(length), 1, stdin) == 1) {
        if (length > LONGEST || fread(frame, 1, length, stdin) != length) {
            fprintf(stderr, "send-frames: frame %lu ends early\n", sent + 1);
            return 1;
        }
        if (send(out, frame, length, 0) != (ssize_t)length)
            fail("send");
        if (++sent % BURST == 0)
            usleep(PAUSE_US);
    }
    printf("%lu\n", sent);
    return 0;
}
