/*
 * Evidence
 *
 * An alert that fires asks for the captures of its rule; a refusal that may pass is asked about
 * again while it fires. What came is analysed, and what a series of snapshots comes to is told to
 * the alert.
 */

#include "evidence.h"

#include <string.h>

#include "capture/series.h"
#include "capture/tell.h"
#include "capture/verdict.h"
#include "daemon.h"
#include "util/buf.h"
#include "util/log.h"
#include "util/str.h"

/* These may be over at the next evaluation; the others have said how long they last. */
static bool may_pass(int refusal)
{
	switch (refusal) {
	case REFUSAL_BUSY:
	case REFUSAL_QUEUE:
	case REFUSAL_QUIET_HOURS:
	case REFUSAL_MIN_UPTIME:
	case REFUSAL_MAX_HEAP:
	case REFUSAL_MAX_CPU:
	case REFUSAL_HEADROOM:
	case REFUSAL_SPACE:
	case REFUSAL_TARGET:
		return true;
	default:
		return false;
	}
}

static void tell_series(struct daemon *daemon, const char *series,
			const struct manifest_verdict *verdict)
{
	const struct alert_verdict said = {
		.text = verdict->text,
		.path = verdict->path,
		.more = verdict->more,
	};

	alerts_tell_verdict(&daemon->alerts, series, &said);
}

/* What accumulates is known of a series: the alert that asked for it says so. */
static void on_verdict(void *owner, const struct manifest *manifest)
{
	struct daemon *daemon = owner;

	tell_series(daemon, manifest->series, &manifest->analysis.verdict);
}

/* Of those in the spool: as that came there right before the daemon ended. */
void evidence_tell_verdicts(struct daemon *daemon)
{
	list_each (at, &daemon->spool.ready) {
		const struct manifest *manifest =
			&container_of(at, struct spool_entry, link)->manifest;

		if (manifest->analysis.verdict.state[0] != '\0')
			on_verdict(daemon, manifest);
	}
}

/* Its last snapshot will not come. */
static void on_no_verdict(void *owner, const char *series, const char *why)
{
	struct daemon *daemon = owner;
	struct manifest_verdict verdict;

	verdict_none(&verdict, why);
	tell_series(daemon, series, &verdict);
}

/* Our own end cut them off: what their alerts wait for does not come. */
void evidence_tell_lost(struct daemon *daemon)
{
	list_each (at, &daemon->alerts.list) {
		const struct alert *alert = container_of(at, struct alert, link);

		if (alert->series[0] != '\0' && alert->verdict == NULL &&
		    series_is_over(&daemon->captures, alert->series))
			on_no_verdict(daemon, alert->series,
				      "heapwatchd was restarted before its last snapshot");
	}
}

/* The rule has had its captures of late. */
static bool is_of_history(int refusal)
{
	return refusal == REFUSAL_COOLDOWN || refusal == REFUSAL_MAX_CAPTURES ||
	       refusal == REFUSAL_REARM;
}

/*
 * It fired a moment ago too, as when a capture's own collection has brought the heap down: what
 * that series comes to, or has come to, is said of this alert as well.
 */
static void take_earlier_series(struct daemon *daemon, struct alert *alert)
{
	const struct target *target = targets_find(&daemon->targets, alert->target_id);

	if (alert->series[0] == '\0' && target != NULL &&
	    series_newest(&daemon->captures, target, alert->isolate, alert->rule->name,
			  alert->series))
		evidence_tell_verdicts(daemon);
}

/* Does a verdict come of it? */
static bool is_compared(const struct rule_action *action)
{
	return action->series.count > 1 || action->kind == CAPTURE_KIND_TRACKING;
}

/*
 * True unless it should be asked for again while the alert fires. after is the capture it waits for
 * (""): none, and then the one that was accepted, if those behind it are to wait for it.
 */
static bool capture_for(struct daemon *daemon, struct alert *alert,
			const struct rule_action *action, char after[CAPTURE_ID_MAX])
{
	char id[CAPTURE_ID_MAX];
	char cause[256] = "";
	struct buf text;
	struct err err = { 0 };
	int r;

	buf_init(&text, sizeof(cause) * 4);
	alert_describe_cause(alert, &text);
	if (text.error == 0)
		str_copy(cause, sizeof(cause), buf_text(&text));
	buf_fini(&text);
	r = captures_request(
		&daemon->captures,
		&(struct capture_request){
			.target_id = alert->target_id,
			.kind = action->kind,
			.isolate = alert->isolate,
			.rule = alert->rule->name,
			.step = condition_step_text(&alert->rule->condition, alert->step),
			.after = after[0] != '\0' ? after : NULL,
			.cause = cause,
			.cause_value = alert->value,
			.guards = &alert->rule->guards,
			.recipe = &action->recipe,
			.series = &action->series,
			.sampling = &action->sampling,
			.timeline = &action->timeline,
			.dry_run = alert->rule->dry_run,
		},
		id, &err);
	if (r == 0 && is_compared(action))
		str_copy(alert->series, sizeof(alert->series), id);
	else if (is_of_history(r) && is_compared(action))
		take_earlier_series(daemon, alert);
	if (r == 0 && action->wait)
		str_copy(after, CAPTURE_ID_MAX, id);
	if (r < 0)
		log_error("capture", "cannot ask for a capture of %s: %s", alert->target,
			  strerror(-r));
	return r >= 0 && !may_pass(r);
}

static bool on_firing(void *owner, struct alert *alert, struct target *target)
{
	struct daemon *daemon = owner;
	const struct rule_action *actions = alert->rule->actions.items;
	char after[CAPTURE_ID_MAX] = "";
	bool done = true;

	/* The refusal has been told; a target that is still not up need not be asked again. */
	if (alert->asked && target->state != TARGET_UP)
		return false;
	for (size_t i = 0; i < alert->rule->actions.n; i++) {
		/* What costs the target nothing was taken, or told why not, the first time; and a
		 * collection that was forced then need not be forced again. */
		if ((alert->done & 1u << actions[i].kind) != 0 ||
		    (alert->asked && (actions[i].kind == CAPTURE_KIND_DIAGNOSTICS ||
				      actions[i].kind == CAPTURE_KIND_GC)))
			continue;
		if (capture_for(daemon, alert, &actions[i], after))
			alert->done |= 1u << actions[i].kind;
		else
			done = false;
	}
	return done;
}

/*
 * A guard changed its mind while the capture waited: the alert asks again. What has come to the
 * spool is analysed.
 */
static void on_captured(void *owner, const struct capture *capture)
{
	struct daemon *daemon = owner;

	/* The second half of a tracking is over with its first. */
	if (capture->refused &&
	    (capture->kind != CAPTURE_KIND_TRACKING || capture->manifest.series_index <= 1))
		alerts_ask_again(&daemon->alerts, capture->target_id, capture->manifest.isolate,
				 capture->manifest.rule, capture->manifest.rule_step,
				 1u << capture->kind);
	analyses_captured(&daemon->analyses, capture);
	if (capture->step == CAPTURE_SUCCEEDED)
		capture_tell(&daemon->alerts, capture, daemon->spool.path);
	alert_file_touch(&daemon->alert_file); /* what is under way has changed */
}

static uint32_t on_under_way(void *owner, const struct alert *alert)
{
	const char *step = condition_step_text(&alert->rule->condition, alert->step);
	const struct daemon *daemon = owner;

	return captures_under_way(&daemon->captures, alert->target_id, alert->isolate,
				  alert->rule->name, step != NULL ? step : "");
}

/* What our own end cuts off is asked for again by the next of us. */
void evidence_ask_again(struct daemon *daemon)
{
	list_each (link, &daemon->alerts.list) {
		const struct alert *alert = container_of(link, struct alert, link);
		const char *step = condition_step_text(&alert->rule->condition, alert->step);
		uint32_t open = on_under_way(daemon, alert);

		if (open != 0)
			alerts_ask_again(&daemon->alerts, alert->target_id, alert->isolate,
					 alert->rule->name, step != NULL ? step : "", open);
	}
}

void evidence_tie(struct daemon *daemon)
{
	daemon->alerts.on_firing = on_firing;
	daemon->alerts.under_way = on_under_way;
	daemon->captures.on_done = on_captured;
	daemon->captures.on_no_verdict = on_no_verdict;
	daemon->analyses.on_verdict = on_verdict;
}
