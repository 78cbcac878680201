"""Guards of the desk: name, file, what is taken out, what stands there instead, and the test that misses it."""

QUEUE, JOBS, RELAY, CREW = "alerts/dispatch.py", "alerts/jobs/store.py", "alerts/jobs/relay.py", "curbwatch/crew.py"
DESK_GUARDS = (
    (
        "a stream that is behind",
        QUEUE,
        "if last < tonumber(ARGV[3]) then return 'behind' end\n",
        "",
        "test_a_stream_that_lost_confirmed_entries_is_found",
    ),
    (
        "an entry that is there",
        QUEUE,
        "if last >= tonumber(ARGV[2]) then return 'already' end\n",
        "",
        "test_a_relay_that_died_after_the_entry_sends_no_second_one",
    ),
    (
        "a look at the streams",
        RELAY,
        "if self._queue.last_seq(stream) < span.last_seq:",
        "if False:",
        "test_a_queue_that_lost_its_memory_gets_every_unfinished_job_again",
    ),
    (
        "a new epoch after a flush",
        RELAY,
        "if not epoch or self._queue.epoch() != epoch:",
        "if not epoch:",
        "test_a_queue_that_lost_its_memory_gets_every_unfinished_job_again",
    ),
    (
        "one relay",
        RELAY,
        "if not self._jobs.become_relay():",
        "if False:",
        "test_of_two_relays_one_sends_and_the_other_takes_over",
    ),
    (
        "compare and set",
        JOBS,
        " and (state = 'queued' or (state",
        " and (true or (state",
        "test_of_sixteen_crews_exactly_one_gets_the_job",
    ),
    (
        "given again until shown",
        CREW,
        "            return Taken(held, again=True)\n",
        "            break\n",
        "test_a_job_that_was_taken_and_never_shown_is_given_again_to_its_holder_only",
    ),
    (
        "an entry of a dead terminal",
        QUEUE,
        "local found = claimed[2][1]\n",
        "local found = nil\n",
        "test_what_a_terminal_drew_and_never_settled_goes_to_another",
    ),
    (
        "what was on its way is superseded",
        JOBS,
        '            conn.execute("delete from outbox where sent_at is null")\n',
        "",
        "test_an_epoch_begins_with_every_unfinished_job",
    ),
    (
        "evidence before the incident",
        "curbwatch/teller.py",
        "            opening = self.evidence.keep(frame)\n",
        "            opening = self.evidence.keep(frame)\n            self.evidence.path(opening.sha256).unlink()\n",
        "test_a_thing_that_goes_on_standing_costs_no_more_pictures",
    ),
)
