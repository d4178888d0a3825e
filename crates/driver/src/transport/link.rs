//! A dialled connection, in plain text or by TLS, written without waiting.
//!
//! With TLS, what was taken may still stand in the session as an encrypted record when the socket is full; [`Link::try_flush`] tells, and sends
//! it on.

use quorate_tls::{ClientConnection, DialledStream};
use std::cell::RefCell;
use std::io::{self, Read, Write};
use tokio::net::TcpStream;

pub(super) enum Link {
    Plain(TcpStream),
    Tls { socket: TcpStream, session: Box<RefCell<ClientConnection>> },
}

impl From<DialledStream<TcpStream>> for Link {
    fn from(stream: DialledStream<TcpStream>) -> Self {
        let (socket, session) = stream.into_inner();
        Link::Tls { socket, session: Box::new(RefCell::new(session)) }
    }
}

impl Link {
    fn socket(&self) -> &TcpStream {
        match self {
            Link::Plain(socket) | Link::Tls { socket, .. } => socket,
        }
    }

    /// Takes some of `bytes` now; fails with [`io::ErrorKind::WouldBlock`] if there is no room for any.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Link::Plain(socket) => socket.try_write(bytes),
            Link::Tls { socket, session } => {
                let mut session = session.borrow_mut();
                send(&mut session, socket)?;
                let taken = session.writer().write(bytes)?;
                match send(&mut session, socket) {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                    _ => Ok(taken),
                }
            }
        }
    }

    /// Sends what was taken and has not left; fails with [`io::ErrorKind::WouldBlock`] while some is left.
    pub(super) fn try_flush(&self) -> io::Result<()> {
        match self {
            Link::Plain(_) => Ok(()),
            Link::Tls { socket, session } => send(&mut session.borrow_mut(), socket),
        }
    }

    /// Returns when there may be room again.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.socket().writable().await
    }

    /// Returns when the peer, which never writes here, has closed the connection or broken that rule.
    pub(super) async fn closed(&self) -> io::Error {
        loop {
            if let Err(error) = self.socket().readable().await {
                return error;
            }
            match self.hear() {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return error,
                _ => {}
            }
        }
    }

    fn hear(&self) -> io::Result<()> {
        let (heard_len_bytes, said_len_bytes, is_closed) = match self {
            Link::Plain(socket) => {
                let len_bytes = socket.try_read(&mut [0])?;
                (len_bytes, len_bytes, false)
            }
            Link::Tls { socket, session } => {
                let mut session = session.borrow_mut();
                let heard_len_bytes = session.read_tls(&mut NonBlocking(socket))?;
                let state = session.process_new_packets().map_err(io::Error::other)?;
                (heard_len_bytes, state.plaintext_bytes_to_read(), state.peer_has_closed())
            }
        };
        match (heard_len_bytes, said_len_bytes) {
            _ if is_closed => Err(io::ErrorKind::UnexpectedEof.into()),
            (0, _) => Err(io::ErrorKind::UnexpectedEof.into()),
            // With TLS: the two sides' sessions said something to each other.
            (_, 0) => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Sends the session's records until none is left.
fn send(session: &mut ClientConnection, socket: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        if session.write_tls(&mut NonBlocking(socket))? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// The socket, as a session reads and writes it.
struct NonBlocking<'a>(&'a TcpStream);

impl Read for NonBlocking<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(bytes)
    }
}

impl Write for NonBlocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
