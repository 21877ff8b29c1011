//! The socket: plain HTTP and HTTPS on the same port, and connections that can be broken.
//!
//! What a client sends first tells which it speaks: a TLS handshake begins with the byte 0x16, and no HTTP method does.
//! A connection is broken by its service giving no answer, which only a server of our own allows; and acknowledgements
//! are sent at once, because some clients send a request's head and body apart and wait 40 ms for the kernel in between.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::future::BoxFuture;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use tower_http::timeout::TimeoutBody;

use super::tls::Authority;

/// The first byte of a TLS record with a handshake in it (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;

/// How long a client may take to send a request's head, and from one piece of its body to the next: slower ones are cut
/// off. In real time, whatever the cloud's clock does: it is about the socket.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections at once; more wait to be accepted.
const MOST: usize = 4096;

/// Put among an answer's extensions, it breaks the connection in the place of the answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken;

/// Serves until `stop` becomes true; connections that are open then are dropped.
pub(super) async fn serve(
    listener: TcpListener,
    authority: Arc<Authority>,
    app: Router,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let acceptor = authority.acceptor()?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, acceptor.clone(), app.clone()));
                }
                // Such as too many open files: those that are open will end.
                Err(_) => tokio::task::yield_now().await,
            },
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the simulator has gone, which is the same.
    drop(stop.wait_for(|stopped| *stopped).await);
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, app: Router) {
    // Without it every answer waits for the client's delayed acknowledgement. Failing to set it costs speed only.
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) if first == [HANDSHAKE] => {
            // A handshake that fails has been told to the client by TLS itself.
            if let Ok(stream) = acceptor.accept(Prompt(stream)).await {
                speak(stream, app).await;
            }
        }
        Ok(1) => speak(Prompt(stream), app).await,
        _ => {}
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, app: Router) {
    let service = hyper::service::service_fn(move |request| answer(app.clone(), request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    // How a connection ends is the client's business, or a fault that was asked for.
    let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// Why a connection is broken off.
#[derive(Debug, thiserror::Error)]
#[error("broken off, as a fault has it")]
struct Cut;

fn answer(app: Router, request: Request<Incoming>) -> BoxFuture<'static, Result<Response, Cut>> {
    Box::pin(async move {
        let response: Result<Response, Infallible> =
            app.oneshot(request.map(|body| Body::new(TimeoutBody::new(PATIENCE, body)))).await;
        match response {
            Ok(response) if response.extensions().get::<Broken>().is_none() => Ok(response),
            _ => Err(Cut),
        }
    })
}

/// A connection whose kernel acknowledges at once what was read.
struct Prompt(TcpStream);

impl AsyncRead for Prompt {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        #[cfg(target_os = "linux")]
        if read.is_ready() {
            // The kernel forgets it after a while. Failing to set it costs speed only.
            let _ = socket2::SockRef::from(&self.0).set_tcp_quickack(true);
        }
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
