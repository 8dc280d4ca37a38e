use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;

use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::ReceiverMode;

/// A public port in front of a server that is always up: it lets connections through, refuses them, or lets them
/// hang.
pub(super) struct Gate {
    server: SocketAddr,
    /// Takes the encryption off, where there is any.
    tls: Option<TlsAcceptor>,
    address: SocketAddr,
    /// Bound and never listening: the port stays ours while nobody listens on it.
    _reserved: TcpSocket,
    listener: Option<TcpListener>,
}

impl Gate {
    pub(super) fn open(server: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let reserved = shared_socket(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = reserved.local_addr()?;
        let listener = Some(listen(address)?);
        Ok(Self { server, tls, address, _reserved: reserved, listener })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Keeps the gate for as long as the task lives.
    pub(super) async fn keep(
        mut self,
        mut mode: watch::Receiver<ReceiverMode>,
        reached: mpsc::Sender<ReceiverMode>,
    ) {
        loop {
            let mut now = *mode.borrow_and_update();
            self.listener = match (now, self.listener.take()) {
                (ReceiverMode::Down, _) => None,
                (_, None) => listen(self.address).ok(),
                (_, listener) => listener,
            };
            let _ = reached.send(now);
            // Dropped with the mode, and the connections with it.
            let mut connections = JoinSet::new();
            loop {
                let stream = tokio::select! {
                    changed = mode.changed() => match changed {
                        Ok(()) => {
                            let next = *mode.borrow_and_update();
                            if !(passes(now) && passes(next)) {
                                break;
                            }
                            now = next;
                            let _ = reached.send(now);
                            continue;
                        }
                        Err(_) => return,
                    },
                    Some(_) = connections.join_next() => continue,
                    Some(stream) = accept(self.listener.as_ref()) => stream,
                };
                if now == ReceiverMode::Hang {
                    connections.spawn(swallow(stream));
                } else {
                    connections.spawn(pass(stream, self.server, self.tls.clone()));
                }
            }
        }
    }
}

/// What is answered is the servers' affair.
fn passes(mode: ReceiverMode) -> bool {
    matches!(mode, ReceiverMode::Up | ReceiverMode::Error | ReceiverMode::Busy)
}

async fn accept(listener: Option<&TcpListener>) -> Option<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.ok().map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

async fn pass(mut client: TcpStream, server: SocketAddr, tls: Option<TlsAcceptor>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    // However it ends, both ends are closed.
    let _ = match tls {
        None => copy_bidirectional(&mut client, &mut server).await,
        Some(tls) => match tls.accept(client).await {
            Ok(mut client) => copy_bidirectional(&mut client, &mut server).await,
            Err(refused) => Err(refused),
        },
    };
}

async fn swallow(mut client: TcpStream) {
    let mut buffer = [0; 4096];
    while client.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

fn shared_socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    shared_socket(address)?.listen(128)
}
