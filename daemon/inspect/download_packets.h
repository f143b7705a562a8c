#pragma once

/*
 * Downloads over packets (net/packet.h): texts are small, gathered and parsed whole; what is large
 * comes in bulk packets, whose pieces go on as they are.
 */

#include "net/packet.h"

/* For wire_open_packets(); the owner is a struct download. */
extern const struct packet_events download_packet_events;
