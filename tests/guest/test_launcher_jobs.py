# SPDX-License-Identifier: Apache-2.0
"""What a job is and may do, what becomes of its stdio, and how it ends: the launcher alone, spoken
to in its own protocol."""
import os
import pathlib
import subprocess
import threading
import time
import unittest

from launcher_bench import CLASSES, Bench
from launcher_client import ENUM, Refused, nanoseconds, reason

PRIORITY = {name: priority for name, _, priority in CLASSES}


class LauncherCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bench = Bench()
        cls.client = cls.bench.start()

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        log = cls.bench.log.read_text()
        cls.bench.stop()
        print(log, end="")

    def setUp(self):
        self.job = self._testMethodName[:50]

    def sh(self, script, **more):
        """Runs a shell script as a job; its record and result."""
        record = self.client.run(self.job, ["/bin/sh", "-c", script], **more)
        return record, self.client.result(self.job).decode(errors="replace")


class Identity(LauncherCase):
    def test_a_job_has_no_rights(self):
        record, text = self.sh(
            "id -u; id -g; id -G; grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Sig(Blk|Ign))'"
            " /proc/self/status; cat /proc/self/oom_score_adj; echo $TARIFF_READY_FD; pwd")
        lines = text.split("\n")
        uid = str(record["uid"])
        self.assertEqual(lines[:3], [uid, uid, uid])
        status = dict(line.split(":\t") for line in lines if ":\t" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "SigBlk", "SigIgn"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(lines[-4:-1], ["497", "3", "/tmp"])

    def test_a_job_cannot_rise(self):
        record, text = self.sh(
            "exec 2>&1; chrt -p $$; chrt -f -p 21 $$ && echo raised; chrt -f -p 5 $$;"
            "chrt -f -p 20 $$ && echo raised; chrt -o -p 0 $$; chrt -f -p 1 $$ && echo raised;"
            "nice -n -5 true && echo raised-nice;"
            "echo 0 >/proc/self/oom_score_adj && echo raised-oom;"
            "echo 0 >/sys/fs/cgroup/cgroup.procs && echo moved; echo end")
        self.assertIn("SCHED_FIFO", text)
        self.assertIn("scheduling priority: 20", text)
        self.assertIn("end", text)
        for word in ("raised\n", "raised-oom", "moved"):
            self.assertNotIn(word, text)

    def test_writable_places_are_private_and_gone(self):
        script = ("exec 2>&1; ls -A /tmp /var/tmp /dev/shm; ipcs -m | grep -c 0x;"
                  "touch /tmp/here /dev/shm/here; ls /var/tmp; ipcmk -M 4096;"
                  "touch /run/lock/x; touch /var/lib/x; touch /etc/x")
        record, text = self.sh(script)
        self.assertIn("/var/tmp:", text)
        self.assertIn("here\n", text)
        self.assertEqual(text.count("Read-only file system"), 3, text)
        again = self.client.run(self.job + "2", ["/bin/sh", "-c", script])
        text = self.client.result(self.job + "2").decode()
        self.assertEqual(text.split("Shared")[0].count("here"), 1, text)  # its own, by /var/tmp
        self.assertNotEqual(record["uid"], again["uid"])
        for place in ("/tmp/here", "/dev/shm/here", "/var/tmp/here"):
            self.assertFalse(os.path.exists(place))
        self.assertNotIn(" 4096 ", subprocess.run(["ipcs", "-m"], capture_output=True,
                                                  text=True).stdout)

    def test_uids_of_running_jobs_differ(self):
        ids = [self.job + str(number) for number in range(6)]
        for id in ids:
            self.client.launch(id, ["/bin/sleep", "60"])
        records = self.client.list()
        self.assertEqual(len({records[id]["uid"] for id in ids}), len(ids))
        for id in ids:
            self.client.ask("end", id=id, reason=ENUM["REASON_CANCELLED"])
        for id in ids:
            self.assertEqual(reason(self.client.wait_ended(id)), "CANCELLED")

    def test_only_stdio_and_the_marker_are_inherited(self):
        _, text = self.sh("i=0; while [ $i -lt 40 ]; do [ -e /proc/$$/fd/$i ] && echo $i;"
                          "i=$((i+1)); done")
        self.assertEqual(text.split(), ["0", "1", "2", "3"])


class ClassOnTheCpu(LauncherCase):
    def test_no_task_is_ever_above_its_class(self):
        """50 children from the first instruction on; every task is watched from the outside."""
        self.seen, self.above, self.stop = set(), [], False
        sampler = threading.Thread(target=self.sample)
        sampler.start()
        for name in ("bulk", "critical"):
            self.client.launch(f"{self.job}-{name}", [
                "/bin/sh", "-c", "i=0; while [ $i -lt 50 ]; do sleep 3 & i=$((i+1)); done; wait"],
                class_run=name, class_asked=name)
        for name in ("bulk", "critical"):
            record = self.client.wait_ended(f"{self.job}-{name}", 120)
            self.assertEqual(reason(record), "EXITED")
        self.stop = True
        sampler.join()
        self.assertGreater(len(self.seen), 100)
        self.assertEqual(self.above, [])

    def sample(self):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(90))
        while not self.stop:
            for name, rank, priority in CLASSES:
                for leaf in (self.bench.tree / f"class-{rank}-{name}").glob("j-*/cgroup.threads"):
                    self.sample_leaf(leaf, priority)
            time.sleep(0.005)

    def sample_leaf(self, leaf, priority):
        try:
            threads = leaf.read_text().split()
        except OSError:
            return
        for thread in threads:
            try:
                stat = pathlib.Path(f"/proc/{thread}/stat").read_text()
            except OSError:
                continue
            command = stat[stat.index("(") + 1:stat.rindex(")")]
            fields = stat[stat.rindex(")") + 2:].split()
            if command not in ("sh", "sleep"):
                continue  # the trampoline, which is ours: it lowers itself before the exec
            self.seen.add(thread)
            if int(fields[37]) > priority:
                self.above.append((thread, command, fields[37]))


class Stdio(LauncherCase):
    def test_payload_and_result(self):
        payload = bytes(range(256)) * 4096
        record = self.client.run(self.job, ["/bin/cat"], payload=payload)
        self.assertEqual(self.client.result(self.job), payload)
        self.assertEqual(record["initialised_by"], 2)
        self.assertGreaterEqual(record["initialised_ns"], record["first_ran_ns"])
        self.assertLessEqual(record["initialised_ns"], record["main_exited_ns"])

    def test_the_marker_is_the_handlers_word(self):
        record, _ = self.sh("read line; sleep 0.3; printf x >&$TARIFF_READY_FD; sleep 0.3",
                            payload=b"line\n")
        self.assertEqual(record["initialised_by"], 1)
        self.assertGreater(record["initialised_ns"], record["first_ran_ns"] + nanoseconds(0.3))
        self.assertLess(record["initialised_ns"], record["main_exited_ns"] - nanoseconds(0.2))

    def test_no_payload_is_an_empty_stdin(self):
        record, text = self.sh("cat; echo end")
        self.assertEqual(text, "end\n")
        self.assertEqual(record["initialised_by"], 0)

    def test_a_result_of_exactly_the_maximum_is_whole(self):
        for size in (0, 1, 999, 1000, 4095, 4096, 4097):
            id = f"{self.job}-{size}"
            record = self.client.run(id, ["/usr/bin/head", "-c", str(size), "/dev/zero"],
                                     result_max=size)
            self.assertEqual((reason(record), record["result_bytes"]), ("EXITED", size))
            self.assertEqual(self.client.result(id), bytes(size))

    def test_one_byte_more_than_the_maximum_is_too_large(self):
        for size in (0, 1000, 4095, 4096):
            record = self.client.run(f"{self.job}-{size}",
                                     ["/usr/bin/head", "-c", str(size + 1), "/dev/zero"],
                                     result_max=size)
            self.assertEqual(reason(record), "RESULT_TOO_LARGE", size)
            self.assertEqual(record["result_bytes"], 0)

    def test_four_gigabytes_end_as_too_large_and_take_no_memory(self):
        record = self.client.run(self.job, ["/usr/bin/head", "-c", "4294967296", "/dev/zero"],
                                 result_max=1 << 20, timeout=60)
        self.assertEqual(reason(record), "RESULT_TOO_LARGE")
        self.assertIn("1048576", record["message"])
        self.assertLess(record["memory_peak"], 16 << 20)

    def test_children_and_duplicates_write_one_result(self):
        _, text = self.sh("echo one; (echo two); echo three >&1; exec 5>&1; echo four >&5;"
                          "sh -c 'echo five'; dd if=/dev/zero bs=1 count=0 2>/dev/null")
        self.assertEqual(text.split(), ["one", "two", "three", "four", "five"])

    def test_reopening_stdout_fails_instead_of_losing_the_result(self):
        record, text = self.sh("echo kept; echo lost >/dev/stdout || echo failed;"
                               "echo lost >>/dev/stdout || echo failed")
        self.assertEqual(text.split(), ["kept", "failed", "failed"])

    def test_a_handler_that_closes_stdout_runs_on(self):
        record, text = self.sh("echo before; exec >&-; sleep 0.3; exit 5")
        self.assertEqual((reason(record), record["exit_status"]), ("EXITED", 5))
        self.assertEqual(text, "before\n")

    def test_a_result_is_read_only_and_survives_the_agent(self):
        self.client.run(self.job, ["/usr/bin/head", "-c", "200000", "/dev/zero"])
        sequence = self.client.send("fetch_result", id=self.job)
        _, fd = self.client.reply(sequence)
        with self.assertRaises(OSError):
            os.write(fd, b"x")
        os.close(fd)
        other = self.bench.start_client()
        self.assertEqual(len(other.result(self.job)), 200000)
        self.client.close()
        type(self).client = other

    def test_a_large_stderr_is_bounded_and_counted(self):
        started = time.monotonic()
        record, _ = self.sh("head -c 3000000 /dev/zero | tr '\\0' 'x' | fold -w 99 >&2")
        self.assertEqual(reason(record), "EXITED")
        self.assertGreater(record["stderr_bytes"], 3_000_000)
        seconds = time.monotonic() - started + 1
        relayed = record["stderr_bytes"] - record["stderr_dropped_bytes"]
        self.assertLess(relayed, 65536 * (seconds + 1))
        self.assertGreater(record["stderr_dropped_bytes"], 0)

    def test_stderr_is_in_the_journal_with_its_fields(self):
        self.sh("echo first >&2; printf 'no newline' >&2", function="speaks")
        fields = "JOB_ID,CLASS,FUNCTION,SYSLOG_IDENTIFIER,PRIORITY,MESSAGE"
        for _ in range(50):
            lines = subprocess.run(
                ["journalctl", f"JOB_ID={self.job}", "-o", "export", f"--output-fields={fields}"],
                capture_output=True, text=True).stdout.split("\n")
            if "MESSAGE=no newline" in lines:
                break
            time.sleep(0.2)
        for line in ("MESSAGE=first", "MESSAGE=no newline", "CLASS=standard", "FUNCTION=speaks",
                     "SYSLOG_IDENTIFIER=speaks", "PRIORITY=6"):
            self.assertIn(line, lines)

    def test_a_stopped_journald_blocks_no_job(self):
        pid = subprocess.run(["systemctl", "show", "-P", "MainPID", "systemd-journald"],
                             capture_output=True, text=True).stdout.strip()
        os.kill(int(pid), 19)
        try:
            record, text = self.sh("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1));"
                                   "done; echo done", timeout=60)
            self.assertEqual((reason(record), text), ("EXITED", "done\n"))
            self.assertGreater(record["stderr_bytes"], 20000)
        finally:
            os.kill(int(pid), 18)


class Ends(LauncherCase):
    def test_a_handler_that_cannot_be_executed(self):
        record = self.client.run(self.job, ["/nonexistent/handler"])
        self.assertEqual(reason(record), "EXEC_FAILED")
        self.assertEqual(record["message"], "cannot execute /nonexistent/handler: "
                                            "No such file or directory (ENOENT)")
        record = self.client.run(self.job + "2", ["/etc/passwd"])
        self.assertIn("(EACCES)", record["message"])
        record = self.client.run(self.job + "3", ["/bin/true"], working_directory="/nonexistent")
        self.assertEqual(reason(record), "EXEC_FAILED")
        self.assertIn("working directory", record["message"])
        record = self.client.run(self.job + "4", ["/bin/true"], working_directory="/root")
        self.assertIn("(EACCES)", record["message"])

    def test_exit_status_and_signal(self):
        record = self.client.run(self.job, ["/bin/sh", "-c", "exit 42"])
        self.assertEqual((reason(record), record["exit_status"]), ("EXITED", 42))
        record = self.client.run(self.job + "2", ["/bin/sh", "-c", "kill -SEGV $$"])
        self.assertEqual((reason(record), record["signal"]), ("SIGNALED", 11))

    def test_what_is_left_of_the_leaf_is_killed(self):
        record, _ = self.sh("(trap '' TERM; setsid sleep 600) & sleep 0.2; exit 3")
        self.assertEqual((reason(record), record["exit_status"]), ("EXITED", 3))
        self.assertLess(record["ended_ns"] - record["main_exited_ns"], nanoseconds(2))
        self.assertNotIn(str(record["uid"]), subprocess.run(
            ["ps", "-eo", "uid"], capture_output=True, text=True).stdout.split())

    def test_a_job_that_ignores_term_is_killed_after_the_grace_time(self):
        self.client.launch(self.job, ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
        self.client.wait_event(self.job, lambda record: record["first_ran_ns"])
        time.sleep(0.5)
        asked = time.monotonic_ns()
        self.client.ask("end", id=self.job, reason=ENUM["REASON_CANCELLED"])
        record = self.client.wait_ended(self.job)
        self.assertEqual((reason(record), record["signal"]), ("CANCELLED", 9))
        self.assertGreater(record["main_exited_ns"] - asked, nanoseconds(0.9))

    def test_a_job_that_obeys_term_is_not_killed(self):
        self.client.launch(self.job, ["/bin/sh", "-c",
                                     "trap 'echo bye; exit 4' TERM; while :; do sleep 0.1; done"])
        self.client.wait_event(self.job, lambda record: record["first_ran_ns"])
        time.sleep(0.5)
        self.client.ask("end", id=self.job, reason=ENUM["REASON_CANCELLED"])
        record = self.client.wait_ended(self.job)
        self.assertEqual((reason(record), record["exit_status"]), ("CANCELLED", 4))
        self.assertEqual(self.client.result(self.job), b"bye\n")

    def test_timeout(self):
        record = self.client.run(self.job, ["/bin/sleep", "60"], timeout_ns=nanoseconds(0.5))
        self.assertEqual(reason(record), "TIMEOUT")
        self.assertGreaterEqual(record["main_exited_ns"] - record["first_ran_ns"],
                                nanoseconds(0.5))

    def test_cpu_timeout(self):
        self.sh("sleep 0.3", cpu_timeout_ns=nanoseconds(10))
        record = self.client.run(self.job + "2", ["/bin/sh", "-c", "while :; do :; done"],
                                 cpu_timeout_ns=nanoseconds(0.5))
        self.assertEqual(reason(record), "CPU_TIMEOUT")
        self.assertGreaterEqual(record["cpu_us"], 500_000)

    def test_deadline(self):
        record = self.client.run(self.job, ["/bin/sleep", "60"],
                                 deadline_ns=time.monotonic_ns() + nanoseconds(0.7))
        self.assertEqual(reason(record), "DEADLINE")

    def test_a_deadline_that_has_passed(self):
        record = self.client.run(self.job, ["/bin/sleep", "60"], deadline_ns=1)
        self.assertEqual(reason(record), "DEADLINE")

    def test_time_frozen_is_not_run_time(self):
        launch = self.client.launch(self.job, ["/bin/sleep", "60"], timeout_ns=nanoseconds(1.5))
        freezer = self.bench.tree / launch["record"]["leaf"] / "cgroup.freeze"
        self.client.wait_event(self.job, lambda record: record["first_ran_ns"])
        freezer.write_text("1")
        time.sleep(2.5)
        self.assertNotIn(self.job, self.client.ended)
        freezer.write_text("0")
        record = self.client.wait_ended(self.job)
        self.assertEqual(reason(record), "TIMEOUT")
        self.assertGreater(record["frozen_ns"], nanoseconds(2))
        self.assertGreaterEqual(record["main_exited_ns"] - record["first_ran_ns"],
                                nanoseconds(1.5) + record["frozen_ns"])

    def test_over_its_own_memory_max(self):
        record = self.client.run(self.job, ["/usr/bin/tail", "/dev/zero"], memory_max=32 << 20,
                                 timeout=90)
        self.assertEqual(reason(record), "OUT_OF_MEMORY", record)
        self.assertGreater(record["memory_peak"], 30 << 20)

    def test_more_processes_than_pids_max_fail_in_the_job(self):
        record, text = self.sh("for i in 1 2 3 4 5 6; do sleep 1 & done 2>/dev/null; wait; echo x",
                               pids_max=3)
        self.assertEqual(reason(record), "EXITED")
        self.assertNotEqual(record["exit_status"], 0)

    def test_usage_is_recorded(self):
        record, _ = self.sh("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; sleep 2.2")
        self.assertGreater(record["cpu_us"], 50_000)
        self.assertGreater(record["memory_peak"], 100_000)
        self.assertFalse(record["memory_estimated"])
        seconds = (record["ended_ns"] - record["launched_ns"]) / 1e9
        average = record["memory_byte_us_low"] / 1e6 / seconds
        self.assertLess(average, record["memory_peak"] * 1.01)
        self.assertGreater(average, record["memory_peak"] * 0.05)


class Requests(LauncherCase):
    def refused(self, kind, code, **content):
        with self.assertRaises(Refused) as caught:
            self.client.ask(kind, **content)
        self.assertEqual(caught.exception.code, code)

    def test_a_repeated_launch_runs_once(self):
        first = self.client.launch(self.job, ["/bin/sh", "-c", "echo ran"])
        again = self.client.launch(self.job, ["/bin/sh", "-c", "echo ran"])
        self.assertFalse(first["repeated_id"])
        self.assertTrue(again["repeated_id"])
        self.assertEqual(first["record"]["pid"], again["record"]["pid"])
        self.client.wait_ended(self.job)
        self.assertEqual(self.client.result(self.job), b"ran\n")
        ended = self.client.launch(self.job, ["/bin/sh", "-c", "echo ran"])
        self.assertEqual(ended["record"]["state"], ENUM["STATE_ENDED"])

    def test_two_launches_at_once_under_one_id(self):
        sequences = [self.client.launch(self.job, ["/bin/true"], wait=False) for _ in range(4)]
        replies = {}
        while len(replies) < 4:
            response, _ = self.client.receive()
            if response["sequence"] in sequences:
                replies[response["sequence"]] = response["launch"]["record"]["pid"]
        self.assertEqual(len(set(replies.values())), 1)

    def test_an_id_of_another_function_or_payload(self):
        self.client.run(self.job, ["/bin/true"])
        with self.assertRaises(Refused) as caught:
            self.client.launch(self.job, ["/bin/true"], function="other")
        self.assertEqual(caught.exception.code, "CODE_ID_IN_USE")
        with self.assertRaises(Refused):
            self.client.launch(self.job, ["/bin/true"], payload_digest="other")

    def test_acknowledged_is_expired_and_not_unknown(self):
        self.client.run(self.job, ["/bin/true"])
        self.client.ask("acknowledge", id=self.job)
        self.client.ask("acknowledge", id=self.job)
        self.refused("fetch_result", "CODE_EXPIRED", id=self.job)
        self.refused("end", "CODE_EXPIRED", id=self.job, reason=ENUM["REASON_CANCELLED"])
        with self.assertRaises(Refused) as caught:
            self.client.launch(self.job, ["/bin/true"])
        self.assertEqual(caught.exception.code, "CODE_EXPIRED")
        self.assertNotIn(self.job, self.client.list())

    def test_unknown_and_not_ended(self):
        self.refused("fetch_result", "CODE_UNKNOWN_JOB", id="nobody")
        self.refused("acknowledge", "CODE_UNKNOWN_JOB", id="nobody")
        self.client.launch(self.job, ["/bin/sleep", "60"])
        self.refused("fetch_result", "CODE_NOT_ENDED", id=self.job)
        self.refused("acknowledge", "CODE_NOT_ENDED", id=self.job)
        self.refused("end", "CODE_INVALID", id=self.job, reason=99)
        self.client.ask("end", id=self.job, reason=ENUM["REASON_KILLED_FOR_MEMORY"])
        self.assertEqual(reason(self.client.wait_ended(self.job)), "KILLED_FOR_MEMORY")
        late = self.client.ask("end", id=self.job, reason=ENUM["REASON_CANCELLED"])
        self.assertTrue(late["end"]["already_ended"])

    def test_bad_launches_are_refused(self):
        for words in (dict(id="a/b"), dict(argv=["true"]), dict(argv=[]), dict(env=["novalue"]),
                      dict(working_directory="tmp"), dict(result_max=1 << 40),
                      dict(has_payload=True), dict(argv=["/bin/true", "a\0b"])):
            content = dict(id=self.job, argv=["/bin/true"]) | words
            with self.assertRaises(Refused) as caught:
                self.client.launch(content.pop("id"), content.pop("argv"), **content)
            self.assertEqual(caught.exception.code, "CODE_INVALID", words)
        with self.assertRaises(Refused) as caught:
            self.client.launch(self.job, ["/bin/true"], class_run="gold")
        self.assertEqual(caught.exception.code, "CODE_UNKNOWN_CLASS")

    def test_no_uid_is_left(self):
        self.bench.configure(self.client, uid_first=3_000_000, uid_count=1)
        try:
            self.client.launch(self.job, ["/bin/sleep", "60"])
            with self.assertRaises(Refused) as caught:
                self.client.launch(self.job + "2", ["/bin/true"])
            self.assertEqual(caught.exception.code, "CODE_NO_UID")
        finally:
            self.bench.configure(self.client)
            self.client.ask("end", id=self.job, reason=ENUM["REASON_CANCELLED"])
            self.client.wait_ended(self.job)

    def test_launch_beyond_the_class_limit_is_refused_and_leaves_nothing(self):
        self.bench.configure(self.client, leaf_pool=0)  # one that waits has its process already
        limit = self.bench.tree / "class-1-bulk" / "pids.max"
        limit.write_text("0")
        try:
            with self.assertRaises(Refused) as caught:
                self.client.launch(self.job, ["/bin/true"], class_run="bulk")
            self.assertEqual(caught.exception.code, "CODE_LAUNCH_FAILED")
        finally:
            limit.write_text("max")
            self.bench.configure(self.client)
        record = self.client.run(self.job, ["/bin/true"], class_run="bulk")  # the id is free
        self.assertEqual(reason(record), "EXITED")

    def test_many_jobs_at_once(self):
        ids = [f"{self.job}-{number}" for number in range(60)]
        for id in ids:
            self.client.launch(id, ["/bin/sh", "-c", "echo $$"], wait=False)
        for id in ids:
            self.assertEqual(reason(self.client.wait_ended(id, 120)), "EXITED")
            self.client.result(id)
            self.client.ask("acknowledge", id=id)
        until = time.monotonic() + 10
        while len(self.bench.leaves()) > 12 and time.monotonic() < until:
            time.sleep(0.1)
        self.assertLessEqual(len(self.bench.leaves()), 12)  # four ready ones per class


if __name__ == "__main__":
    unittest.main(verbosity=2)
