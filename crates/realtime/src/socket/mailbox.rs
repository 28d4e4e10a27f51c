//! A queue between tasks of one thread, as small as it can be while it is empty: every channel of every idle client
//! has one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// One end of a queue: any may put something in, one takes out. Its bound is its users' to keep.
pub(crate) struct Mailbox<T>(Rc<RefCell<State<T>>>);

struct State<T> {
    waiting: VecDeque<T>,
    reader: Option<Waker>,
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(State { waiting: VecDeque::new(), reader: None })))
    }
}

impl<T> Mailbox<T> {
    /// Puts something in.
    pub(crate) fn put(&self, letter: T) {
        let mut state = self.0.borrow_mut();
        state.waiting.push_back(letter);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// What waits, if anything does.
    pub(crate) fn try_take(&self) -> Option<T> {
        let mut state = self.0.borrow_mut();
        let letter = state.waiting.pop_front();
        if state.waiting.is_empty() {
            // A burst must not be remembered by the memory of an idle channel.
            state.waiting = VecDeque::new();
        }
        letter
    }

    /// What comes next. May be dropped while it waits; nothing is lost.
    pub(crate) async fn take(&self) -> T {
        poll_fn(|cx| match self.try_take() {
            Some(letter) => Poll::Ready(letter),
            None => {
                self.0.borrow_mut().reader = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn letters_come_in_their_order() {
        let mailbox = Mailbox::default();
        assert_eq!(mailbox.take().now_or_never(), None);
        let other = mailbox.clone();
        other.put(1);
        other.put(2);
        assert_eq!(mailbox.take().now_or_never(), Some(1));
        assert_eq!((mailbox.try_take(), mailbox.try_take()), (Some(2), None));
    }
}
