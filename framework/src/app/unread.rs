//! Clients that read nothing of what is sent to them.

use std::any::Any;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;

/// Has the system cut a connection whose client acknowledges or takes nothing for so long (`TCP_USER_TIMEOUT`, RFC 5482).
/// Nobody else can: while the socket is full, the server does not ask an answer for more, so that nothing of ours runs.
pub(super) fn on_connect(
    timeout: Duration,
) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + Clone + 'static {
    let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    move |connection, _| {
        if millis > 0
            && let Some(stream) = socket_of(connection)
        {
            limit(stream, millis);
        }
    }
}

fn socket_of(connection: &dyn Any) -> Option<&TcpStream> {
    connection.downcast_ref::<TcpStream>().or_else(|| {
        let secure = connection.downcast_ref::<actix_tls::accept::rustls_0_23::TlsStream<TcpStream>>();
        secure.map(|secure| secure.get_ref().0)
    })
}

#[cfg(target_os = "linux")]
fn limit(stream: &TcpStream, millis: u32) {
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, millis) {
        tracing::debug!(%error, "a connection has no limit for what its client does not read");
    }
}

#[cfg(not(target_os = "linux"))]
fn limit(_stream: &TcpStream, _millis: u32) {}
