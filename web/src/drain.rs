//! A body that comes back when it is dropped unread.
//!
//! A server that answers and closes while the client still sends makes the client see a reset instead of the answer, and
//! many clients then send it all again. So what is left of a refused body is read and dropped, within limits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

/// A body that, dropped before its end, is sent to the receiver.
pub(crate) struct Returning {
    inner: Option<(Body, oneshot::Sender<Body>)>,
    ended: bool,
}

impl Returning {
    /// Wraps a body.
    pub(crate) fn new(body: Body) -> (Self, oneshot::Receiver<Body>) {
        let (sender, receiver) = oneshot::channel();
        let inner = Some((body, sender));
        (Self { inner, ended: false }, receiver)
    }
}

impl HttpBody for Returning {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some((body, _)) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.ended = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map(|(body, _)| body.size_hint())
            .unwrap_or_default()
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some((body, sender)) = self.inner.take()
            && !self.ended
            && !body.is_end_stream()
        {
            // Nobody waits for it when the whole request was dropped.
            let _ = sender.send(body);
        }
    }
}

/// Reads and drops up to `limit` bytes. What claims to be longer is not begun with.
pub(crate) async fn drain(mut body: Body, limit: u64, within: Duration) {
    if body.size_hint().lower() > limit {
        return;
    }
    let read = async {
        let mut left = limit;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(rest) = left.checked_sub(length) else { break };
            left = rest;
        }
    };
    // Out of patience: the connection closes.
    let _ = tokio::time::timeout(within, read).await;
}
