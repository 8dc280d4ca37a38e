//! The futures of a [`Traced`](super::Traced) connection's statements.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use diesel::QueryResult;
use futures_util::Stream;
use pin_project_lite::pin_project;

use super::recorder::Recording;
use super::traced::end;

pin_project! {
    /// A statement that answers with a count.
    pub struct Recorded<F> {
        #[pin]
        execute: F,
        recording: Option<Box<Recording>>,
        failed: Arc<AtomicBool>,
    }
}

impl<F> Recorded<F> {
    pub(super) fn new(execute: F, recording: Option<Box<Recording>>, failed: Arc<AtomicBool>) -> Self {
        Self { execute, recording, failed }
    }
}

impl<F: Future<Output = QueryResult<usize>>> Future for Recorded<F> {
    type Output = QueryResult<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Not before: a future may be made in one span and awaited in another, which is then its parent.
        if let Some(recording) = this.recording {
            recording.start();
        }
        let result = ready!(this.execute.poll(cx));
        end(this.recording.take(), this.failed, result.as_ref().err(), None);
        Poll::Ready(result)
    }
}

pin_project! {
    /// A statement that answers with rows.
    pub struct RecordedLoad<F> {
        #[pin]
        load: F,
        recording: Option<Box<Recording>>,
        failed: Arc<AtomicBool>,
    }
}

impl<F> RecordedLoad<F> {
    pub(super) fn new(load: F, recording: Option<Box<Recording>>, failed: Arc<AtomicBool>) -> Self {
        Self { load, recording, failed }
    }
}

impl<F, S> Future for RecordedLoad<F>
where
    F: Future<Output = QueryResult<S>>,
{
    type Output = QueryResult<RecordedRows<S>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(recording) = this.recording {
            recording.start();
        }
        Poll::Ready(match ready!(this.load.poll(cx)) {
            Ok(rows) => {
                this.failed.store(false, Ordering::Relaxed);
                Ok(RecordedRows {
                    rows,
                    read: 0,
                    recording: this.recording.take(),
                    failed: this.failed.clone(),
                })
            }
            Err(error) => {
                end(this.recording.take(), this.failed, Some(&error), None);
                Err(error)
            }
        })
    }
}

pin_project! {
    /// The rows of a statement: it ends with the last of them, an error, or when the reader has enough.
    pub struct RecordedRows<S> {
        #[pin]
        rows: S,
        read: u64,
        recording: Option<Box<Recording>>,
        failed: Arc<AtomicBool>,
    }

    impl<S> PinnedDrop for RecordedRows<S> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(recording) = this.recording.take() {
                recording.finish(None, Some(*this.read));
            }
        }
    }
}

impl<S, R> Stream for RecordedRows<S>
where
    S: Stream<Item = QueryResult<R>>,
{
    type Item = QueryResult<R>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let item = ready!(this.rows.poll_next(cx));
        match &item {
            Some(Ok(_)) => *this.read += 1,
            Some(Err(error)) => end(this.recording.take(), this.failed, Some(error), Some(*this.read)),
            None => {
                if let Some(recording) = this.recording.take() {
                    recording.finish(None, Some(*this.read));
                }
            }
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}
