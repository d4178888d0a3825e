//! Finding ports on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// How far a search goes on from the port that was wished for.
const SEARCH_LEN: u16 = 200;

/// Listens on `first` or the next free port above it.
///
/// # Errors
/// The last port's error if none of the next [`SEARCH_LEN`] is free.
pub(crate) fn listen_from(first: u16) -> io::Result<TcpListener> {
    let mut last_error = io::Error::from(io::ErrorKind::AddrInUse);
    for port in first..=first.saturating_add(SEARCH_LEN) {
        match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// A port that was free a moment ago and that nobody was told about.
///
/// # Errors
/// If the system has none.
pub(crate) fn any_free() -> io::Result<u16> {
    Ok(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::{any_free, listen_from};

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = listen_from(any_free().expect("a free port")).expect("still free");
        let port = taken.local_addr().expect("bound").port();
        let next = listen_from(port).expect("one above is free");
        assert!(next.local_addr().expect("bound").port() > port);
    }
}
