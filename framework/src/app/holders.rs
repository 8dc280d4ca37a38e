//! Who has what this process wants: a port, or a file. Read off `/proc`, as far as this user may look there.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A process. Displayed as `` `postgres` (pid 4711) ``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// The program's file name.
    pub(crate) program: String,
}

/// `LISTEN` in `/proc/net/tcp`.
const LISTENING: &str = "0A";

impl Holder {
    /// Whether it is this process.
    pub(crate) fn is_self(&self) -> bool {
        self.pid == std::process::id()
    }

    /// Whether it runs the program that this process runs.
    pub(crate) fn is_alike(&self) -> bool {
        program(std::process::id()).is_some_and(|program| program == self.program)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A program may be called anything.
        let program: String = self.program.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        write!(f, "`{program}` (pid {})", self.pid)
    }
}

/// Those that listen where this address, `host:port`, would; none when there are none or they can not be seen.
pub(crate) fn of_address(address: &str) -> Vec<Holder> {
    let wanted: Vec<SocketAddr> = address.to_socket_addrs().into_iter().flatten().collect();
    let sockets: Vec<PathBuf> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| {
            let listeners = table.lines().skip(1).filter_map(listener);
            let in_the_way = listeners.filter(|(at, _)| wanted.iter().any(|wanted| clash(*wanted, *at)));
            in_the_way.map(|(_, inode)| PathBuf::from(format!("socket:[{inode}]"))).collect::<Vec<_>>()
        })
        .collect();
    if sockets.is_empty() {
        Vec::new()
    } else {
        with_open(|link| sockets.iter().any(|socket| socket == link))
    }
}

/// Those besides this process that have a file open.
pub(crate) fn of_file(file: &Path) -> Vec<Holder> {
    let Ok(file) = fs::canonicalize(file) else { return Vec::new() };
    let mut holders = with_open(|link| link == file);
    holders.retain(|holder| !holder.is_self());
    holders
}

/// The processes with a descriptor that leads to what is looked for, by their ids.
fn with_open(wanted: impl Fn(&Path) -> bool) -> Vec<Holder> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> =
        processes.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.retain(|pid| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|descriptor| fs::read_link(descriptor.path()).ok()).any(|link| wanted(&link))
    });
    pids.into_iter()
        .map(|pid| Holder { pid, program: program(pid).unwrap_or_else(|| "?".to_owned()) })
        .collect()
}

fn program(pid: u32) -> Option<String> {
    let file = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let name = file.and_then(|file| Some(String::from_utf8_lossy(file.file_name()?.as_bytes()).into_owned()));
    // One that was replaced while it runs, as by a build.
    let name = name.map(|name| name.trim_end_matches(" (deleted)").to_owned());
    name.or_else(|| Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned()))
}

/// Where the line of `/proc/net/tcp` listens, and the number of its socket.
fn listener(line: &str) -> Option<(SocketAddr, &str)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (&at, &state, &inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
    (state == LISTENING).then_some(())?;
    Some((address(at)?, inode))
}

/// `0100007F:1F90` is 127.0.0.1:8080: each four bytes are a number in the order of the machine.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let words = (0..ip.len() / 8).map(|at| u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Whether nobody can listen at one address while another one listens at the other.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() == other.port() && (a == b || a.is_unspecified() || b.is_unspecified())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_line_of_the_kernels_table_is_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 4711 1 0 100 0";
        assert_eq!(listener(line), Some(("127.0.0.1:8080".parse().unwrap(), "4711")));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(address("00000000000000000000000001000000:0050"), Some("[::1]:80".parse().unwrap()));
        for wrong in ["", "x", "0100007F", "0100007F:x", "01:0050", "zz00007F:0050"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn addresses_clash_on_one_port_when_either_is_all_of_them() {
        let clash = |one: &str, other: &str| clash(one.parse().unwrap(), other.parse().unwrap());
        assert!(clash("127.0.0.1:80", "127.0.0.1:80") && clash("0.0.0.0:80", "127.0.0.1:80"));
        assert!(clash("127.0.0.1:80", "[::]:80") && clash("127.0.0.1:80", "[::ffff:127.0.0.1]:80"));
        assert!(!clash("127.0.0.1:80", "127.0.0.1:81") && !clash("127.0.0.1:80", "127.0.0.2:80"));
    }

    #[test]
    fn this_process_holds_its_own_port_and_no_file_against_itself() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let holders = of_address(&taken.local_addr().unwrap().to_string());
        assert!(holders.iter().any(|holder| holder.is_self() && holder.is_alike()), "{holders:?}");
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(of_file(file.path()), []);
        drop(taken);
    }

    #[test]
    fn another_process_that_has_a_file_open_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut other = std::process::Command::new("tail")
            .arg("-f")
            .arg(file.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let found = loop {
            let found = of_file(file.path());
            if !found.is_empty() || std::time::Instant::now() > deadline {
                break found;
            }
            std::thread::yield_now();
        };
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(matches!(&found[..], [one] if one.pid == other.id() && !one.is_alike()), "{found:?}");
        assert!(found[0].to_string().ends_with(&format!("(pid {})", other.id())), "{found:?}");
    }
}
