//! The second signal ends the program, whatever it is busy with.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The body of the busy process: it listens for signals and then never looks up. Started by the test below only.
#[test]
#[ignore = "the other test starts it, in a process that it ends"]
fn busy() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _signals = rectify::driver::Signals::listen().unwrap();
        std::io::stdout().write_all(b"\nlistening\n").unwrap();
        loop {
            std::hint::spin_loop();
        }
    });
}

#[test]
fn a_busy_process_ends_at_the_second_signal() {
    let mut busy = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "signals::busy", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(busy.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "listening"));
    let pid = Pid::from_child(&busy);
    kill_process(pid, Signal::INT).unwrap();
    assert!(busy.try_wait().unwrap().is_none(), "the first signal only asks");
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(busy.wait().unwrap().code(), Some(130));
}
