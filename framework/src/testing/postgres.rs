use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::installed::postgres_binaries;

/// How long the server may take to accept connections; a busy machine needs a few seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Everybody is trusted but the members of this role.
const PASSWORD_ROLE: &str = "needs_password";

/// Runs the server until standard input ends, which it does when this process does, however it ends, and then removes
/// its data unless told to keep it.
const WATCHED: &str = r#"
    directory=$1; shift
    "$@" </dev/null & server=$!
    read -r word
    kill -INT "$server"; wait "$server"
    [ "$word" = keep ] || rm -rf "$directory"
"#;

/// A private PostgreSQL server: its own data in a temporary directory, a Unix socket there, no TCP port, and no fsync
/// unless it is [`start_durable`](Self::start_durable). It stops when this is dropped, and when the process ends.
///
/// Every user is let in without a password, except members of a role `needs_password`, for tests of just that.
///
/// It uses the newest PostgreSQL installed, and runs as `postgres` or `nobody` when the process is root's.
///
/// ```no_run
/// # actix_rt::System::new().block_on(async {
/// use spanbox::testing::{PgServer, TestDatabase};
///
/// let server = PgServer::start()?;
/// let database = TestDatabase::create(server.url()).await?;
/// println!("{}", database.url());
/// # Ok::<_, spanbox::testing::PgServerError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct PgServer {
    binaries: PathBuf,
    directory: TempDir,
    user: Option<(u32, u32)>,
    process: Child,
    durability: Durability,
}

/// What of a server's data outlives the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// Nothing: a test has no use for it.
    None,
    /// What was committed, as in production.
    Full,
}

/// Why there is no private PostgreSQL server, or no database on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PgServerError {
    /// No `initdb` in `PATH` or in `/usr/lib/postgresql`.
    #[error(
        "PostgreSQL is not installed: `apt-get install postgresql`, or put initdb and postgres into PATH"
    )]
    NotInstalled,
    /// A step failed.
    #[error("{step} failed: {said}")]
    Failed {
        /// What was tried.
        step: &'static str,
        /// What the programs or the system said.
        said: String,
    },
}

impl PgServer {
    /// Makes a cluster and starts its server; ready when this returns, after about a second. It blocks.
    ///
    /// # Errors
    ///
    /// [`PgServerError`].
    pub fn start() -> Result<Self, PgServerError> {
        Self::with(Durability::None)
    }

    /// A server that is as durable as one in production, and no faster: with fsync, synchronous commits and the server's
    /// own defaults. For measurements.
    ///
    /// # Errors
    ///
    /// [`PgServerError`].
    pub fn start_durable() -> Result<Self, PgServerError> {
        Self::with(Durability::Full)
    }

    fn with(durability: Durability) -> Result<Self, PgServerError> {
        let binaries = postgres_binaries().ok_or(PgServerError::NotInstalled)?;
        let io = |error: std::io::Error| failed("making its directory", error);
        // A socket's path has about 100 bytes, so the name is short.
        let directory = tempfile::Builder::new().prefix("pg-").tempdir().map_err(io)?;
        // The directory is new, so its owner is who we are.
        let root = std::fs::metadata(directory.path()).map_err(io)?.uid() == 0;
        let user = if root { Some(unprivileged()?) } else { None };
        if let Some((uid, gid)) = user {
            chown(directory.path(), Some(uid), Some(gid)).map_err(io)?;
        }
        let made = command(&binaries.join("initdb"), directory.path(), user)
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "-D",
            ])
            .arg(directory.path().join("data"))
            .output()
            .map_err(|error| failed("starting initdb", error))?;
        if !made.status.success() {
            return Err(failed("initdb", String::from_utf8_lossy(&made.stderr)));
        }
        let access = directory.path().join("data/pg_hba.conf");
        let rules = std::fs::read_to_string(&access).map_err(io)?;
        std::fs::write(&access, format!("local all +{PASSWORD_ROLE} scram-sha-256\n{rules}")).map_err(io)?;
        let process = serve(&binaries, directory.path(), user, durability)?;
        let mut server = Self { binaries, directory, user, process, durability };
        server.ready()?;
        Ok(server)
    }

    /// The URL of the server's own database `postgres`, as its superuser.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL of a database.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres:///{database}?user=postgres&host={}", self.directory.path().display())
    }

    /// Stops the server, which ends every connection to it; its data stays for [`PgServer::start_again`]. It blocks.
    ///
    /// # Errors
    ///
    /// [`PgServerError::Failed`].
    pub fn stop(&mut self) -> Result<(), PgServerError> {
        if let Some(input) = &mut self.process.stdin {
            input.write_all(b"keep\n").map_err(|error| failed("stopping the server", error))?;
        }
        self.end();
        Ok(())
    }

    /// Starts the server that was stopped, on the same data and socket; ready when this returns. It blocks.
    ///
    /// # Errors
    ///
    /// [`PgServerError::Failed`], also when the server was not stopped.
    pub fn start_again(&mut self) -> Result<(), PgServerError> {
        if self.process.stdin.is_some() {
            return Err(failed("starting the server again", "it was not stopped"));
        }
        self.process = serve(&self.binaries, self.directory.path(), self.user, self.durability)?;
        self.ready()
    }

    /// Stops the server and starts it again.
    ///
    /// # Errors
    ///
    /// [`PgServerError::Failed`].
    pub fn restart(&mut self) -> Result<(), PgServerError> {
        self.stop()?;
        self.start_again()
    }

    /// Waits until the server says so in its pid file.
    fn ready(&mut self) -> Result<(), PgServerError> {
        let pid_file = self.directory.path().join("data/postmaster.pid");
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let status = std::fs::read_to_string(&pid_file).unwrap_or_default();
            if status.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            let ended = self.process.try_wait().ok().flatten().is_some();
            if ended || Instant::now() > deadline {
                let mut said = String::new();
                if let Ok(mut log) = std::fs::File::open(self.directory.path().join("log")) {
                    let _ = log.read_to_string(&mut said);
                }
                return Err(failed("starting the server", said));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
        // A server that was killed leaves it, and it says "ready".
        let _ = std::fs::remove_file(self.directory.path().join("data/postmaster.pid"));
    }
}

impl Drop for PgServer {
    fn drop(&mut self) {
        self.end();
    }
}

fn serve(
    binaries: &Path,
    directory: &Path,
    user: Option<(u32, u32)>,
    durability: Durability,
) -> Result<Child, PgServerError> {
    let io = |error| failed("starting the server", error);
    let log =
        std::fs::OpenOptions::new().create(true).append(true).open(directory.join("log")).map_err(io)?;
    let mut server = command(Path::new("/bin/sh"), directory, user);
    server
        .args(["-c", WATCHED, "postgres"])
        .arg(directory)
        .arg(binaries.join("postgres"))
        .arg("-D")
        .arg(directory.join("data"))
        .arg("-k")
        .arg(directory)
        .args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
    if durability == Durability::None {
        server.args(["-c", "shared_buffers=16MB", "-c", "fsync=off"]).args([
            "-c",
            "full_page_writes=off",
            "-c",
            "synchronous_commit=off",
        ]);
    }
    server.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().map_err(io)
}

fn command(program: &Path, directory: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env("LC_ALL", "C");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// Who runs the server when we are root, which it refuses to be run by.
fn unprivileged() -> Result<(u32, u32), PgServerError> {
    let users =
        std::fs::read_to_string("/etc/passwd").map_err(|error| failed("reading /etc/passwd", error))?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2);
        Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).ok_or_else(|| {
        failed("running as root", "there is neither a user `postgres` nor `nobody` to run it as")
    })
}

pub(super) fn failed(step: &'static str, said: impl std::fmt::Display) -> PgServerError {
    PgServerError::Failed { step, said: said.to_string() }
}
