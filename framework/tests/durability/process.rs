use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::child::{ASSIGNMENT, Assignment, MARK};
use crate::ground::Ground;
use crate::size::patience;

/// A process that was started, killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    said: mpsc::UnboundedReceiver<String>,
}

impl Process {
    /// Starts this binary to do what it is told, with these variables besides the test's own.
    pub(crate) fn start(ground: &Ground, assignment: &Assignment, variables: &[(&str, &str)]) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(ground.log()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker_process", "--nocapture"])
            .env(ASSIGNMENT, serde_json::to_string(assignment).unwrap())
            .envs(variables.iter().copied())
            // A core of one that aborts goes with the test's files.
            .current_dir(ground.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (to, said) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(at) = line.find(MARK) {
                    let _ = to.send(line[at + MARK.len()..].to_owned());
                }
            }
        });
        Self { child, said }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says something that begins like this, and gives the rest.
    pub(crate) async fn says(&mut self, what: &str) -> String {
        let heard = async {
            while let Some(line) = self.said.recv().await {
                if let Some(rest) = line.strip_prefix(what) {
                    return Some(rest.trim().to_owned());
                }
            }
            None
        };
        match timeout(patience(), heard).await {
            Ok(Some(rest)) => rest,
            Ok(None) => panic!("a process ended without saying {what:?}"),
            Err(_) => panic!("a process does not say {what:?}"),
        }
    }

    /// The next thing that it says; none once it has ended and all was heard.
    pub(crate) async fn next(&mut self) -> Option<String> {
        timeout(patience(), self.said.recv()).await.expect("a process says nothing")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let deadline = Instant::now() + patience();
        let mut look = tokio::time::interval(Duration::from_millis(2));
        loop {
            if let Some(status) = self.has_ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "process {} does not end", self.id());
            look.tick().await;
        }
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it in order.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::TERM);
        assert!(self.ends().await.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
