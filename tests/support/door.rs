//! An address where nobody is at home: counts who knocks.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// Listens, counts connections, and closes each at once.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    knocks: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Door {
    /// Begins to listen on a free port.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let (knocks, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, over) = (Arc::clone(&knocks), Arc::clone(&is_over));
        let listener = std::thread::spawn(move || {
            for _ in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                count.fetch_add(1, Ordering::AcqRel);
            }
        });
        Self {
            address,
            knocks,
            is_over,
            listener: Some(listener),
        }
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    #[must_use]
    pub fn knocks(&self) -> usize {
        self.knocks.load(Ordering::Acquire)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}
