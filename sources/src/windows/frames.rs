//! Arrow's stream format, cut into messages: so that the size of a message is known before its bytes are.
//!
//! ```text
//!   0xffffffff | metadata length | metadata (a flatbuffer with the body's length) | body
//!   ...
//!   0xffffffff | 0                                        the end-of-stream marker
//! ```
//!
//! The caller asks [`Frames::wanted`] what comes next, gets the permit for a body, and feeds bytes. An answer that ends
//! without the marker is a broken one, however well its last message ended.

use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::ArrowError;

/// No metadata of ours is larger; what is, is no Arrow.
const MAX_METADATA: u32 = 16 << 20;

/// What the stream needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Bytes of a header or of metadata: small.
    Bytes,
    /// The body of a batch, of that size: get a permit, then call [`Frames::allow`].
    Body(u64),
    /// Nothing: the end-of-stream marker was read.
    Nothing,
}

#[derive(Debug)]
enum State {
    Prefix,
    Metadata,
    /// The size of the body is known; its buffer is not yet allocated.
    Announced(usize),
    Body,
    Finished,
}

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Frames {
    decoder: StreamDecoder,
    state: State,
    part: MutableBuffer,
    target: usize,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            decoder: StreamDecoder::new(),
            state: State::Prefix,
            part: MutableBuffer::new(8),
            target: 8,
        }
    }

    /// What comes next.
    pub(super) fn wanted(&self) -> Wanted {
        match self.state {
            State::Announced(size) => Wanted::Body(size as u64),
            State::Finished => Wanted::Nothing,
            State::Prefix | State::Metadata | State::Body => Wanted::Bytes,
        }
    }

    /// Allocates the announced body.
    pub(super) fn allow(&mut self) {
        if let State::Announced(size) = self.state {
            self.part = MutableBuffer::with_capacity(size);
            self.target = size;
            self.state = State::Body;
        }
    }

    /// Takes bytes from the front of `bytes` until a body is announced, a batch is complete or they are used up.
    pub(super) fn feed(&mut self, bytes: &mut &[u8]) -> Result<Option<RecordBatch>, ArrowError> {
        loop {
            if matches!(self.state, State::Announced(_) | State::Finished) {
                return Ok(None);
            }
            let take = bytes.len().min(self.target - self.part.len());
            self.part.extend_from_slice(&bytes[..take]);
            *bytes = &bytes[take..];
            if self.part.len() < self.target {
                return Ok(None);
            }
            if let Some(batch) = self.step()? {
                return Ok(Some(batch));
            }
        }
    }

    /// Goes on from a part that is complete.
    fn step(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let part: Buffer = std::mem::replace(&mut self.part, MutableBuffer::new(0)).into();
        match self.state {
            State::Prefix => self.on_prefix(&part),
            State::Metadata => self.on_metadata(part),
            State::Body => {
                self.expect(State::Prefix, 8);
                let mut body = part;
                self.decoder.decode(&mut body)
            }
            State::Announced(_) | State::Finished => Ok(None),
        }
    }

    fn expect(&mut self, state: State, bytes: usize) {
        self.state = state;
        self.target = bytes;
        self.part = MutableBuffer::with_capacity(bytes);
    }

    fn on_prefix(&mut self, prefix: &Buffer) -> Result<Option<RecordBatch>, ArrowError> {
        let word = |at: usize| {
            let bytes: Option<[u8; 4]> = prefix.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_le_bytes)
        };
        let (Some(u32::MAX), Some(length)) = (word(0), word(4)) else {
            return Err(ArrowError::IpcError(
                "no continuation marker before a message".to_owned(),
            ));
        };
        if length > MAX_METADATA {
            return Err(ArrowError::IpcError(format!("{length} bytes of metadata")));
        }
        let mut prefix = prefix.clone();
        self.decoder.decode(&mut prefix)?;
        if length == 0 {
            self.state = State::Finished;
        } else {
            self.expect(State::Metadata, length as usize);
        }
        Ok(None)
    }

    fn on_metadata(&mut self, metadata: Buffer) -> Result<Option<RecordBatch>, ArrowError> {
        let message = arrow_ipc::root_as_message(&metadata)
            .map_err(|error| ArrowError::IpcError(format!("metadata is no message: {error}")))?;
        let size = usize::try_from(message.bodyLength())
            .map_err(|_| ArrowError::IpcError("a body of negative length".to_owned()))?;
        let mut metadata = metadata;
        let batch = self.decoder.decode(&mut metadata)?;
        if size == 0 {
            self.expect(State::Prefix, 8);
        } else {
            self.state = State::Announced(size);
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, Int64Array};
    use arrow_ipc::writer::StreamWriter;
    use arrow_schema::{DataType, Field, Schema};
    use proptest::prelude::*;

    use super::*;

    fn batches() -> Vec<RecordBatch> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Binary, false),
            Field::new("n", DataType::Int64, true),
        ]));
        [0_i64, 3, 1]
            .into_iter()
            .map(|rows| {
                let ids: Vec<String> = (0..rows).map(|n| format!("id-{n}")).collect();
                let ids = BinaryArray::from_iter_values(ids);
                let numbers = Int64Array::from_iter((0..rows).map(|n| (n != 1).then_some(n)));
                RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(ids), Arc::new(numbers)]).expect("a batch")
            })
            .collect()
    }

    fn stream() -> Vec<u8> {
        let batches = batches();
        let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).expect("a writer");
        for batch in &batches {
            writer.write(batch).expect("written");
        }
        writer.finish().expect("finished");
        writer.into_inner().expect("bytes")
    }

    fn read(stream: &[u8], chunk: usize) -> Result<(Vec<RecordBatch>, Wanted), ArrowError> {
        let mut frames = Frames::new();
        let mut read = Vec::new();
        for mut bytes in stream.chunks(chunk) {
            while !bytes.is_empty() {
                if let Wanted::Body(_) = frames.wanted() {
                    frames.allow();
                }
                let before = bytes.len();
                read.extend(frames.feed(&mut bytes)?);
                if bytes.len() == before && !matches!(frames.wanted(), Wanted::Body(_)) {
                    return Err(ArrowError::IpcError("bytes after the end".to_owned()));
                }
            }
        }
        Ok((read, frames.wanted()))
    }

    proptest! {
        #[test]
        fn any_chunks_give_the_same_batches(chunk in 1_usize..2000) {
            let (read, wanted) = read(&stream(), chunk).expect("a stream");
            prop_assert_eq!(read, batches());
            prop_assert_eq!(wanted, Wanted::Nothing);
        }

        #[test]
        fn a_stream_cut_anywhere_never_reaches_its_end(cut in any::<prop::sample::Index>()) {
            let stream = stream();
            let cut = cut.index(stream.len());
            if let Ok((_, wanted)) = read(&stream[..cut], 64) {
                prop_assert_ne!(wanted, Wanted::Nothing);
            }
        }

        #[test]
        fn noise_is_an_error_or_unfinished(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((_, wanted)) = read(&noise, 16) {
                prop_assert_ne!(wanted, Wanted::Nothing);
            }
        }
    }
}
