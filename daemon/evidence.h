#pragma once

/* What alerts ask for, and what comes of it: captures, their analyses, verdicts. */

struct daemon;

/* The hooks of alerts, captures and analyses, once each of these is there. */
void evidence_tie(struct daemon *daemon);

/* Of the series in the spool: as that came there right before the daemon ended. */
void evidence_tell_verdicts(struct daemon *daemon);

/* Our own end cut series off: what their alerts wait for does not come. */
void evidence_tell_lost(struct daemon *daemon);

/* What our own end cuts off is asked for again by the next of us. */
void evidence_ask_again(struct daemon *daemon);
