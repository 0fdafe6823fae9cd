//! Where the bytes of a client stand (RFC 9113, section 4): between two frames of h2, or within something that has to
//! come to an end.
//!
//! hyper judges the frames; this tells only how long one takes. A header block is one thing, however many frames it is
//! spread over.

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// What a connection's bytes so far come to.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes of h2's preface, and nothing else.
    Preface(usize),
    Http1,
    Http2(Frames),
}

/// What the last bytes leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It is HTTP/1.1, or not known: frames say nothing.
    Unframed,
    /// Every frame is whole.
    Between,
    /// A frame or a header block is not whole; whether it began with the last bytes.
    Within { is_new: bool },
}

#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// How much of `head` is there.
    filled: usize,
    /// What the frame still lacks.
    left: usize,
    /// The last block of headers has no end yet.
    is_block_open: bool,
}

impl Framing {
    /// Before the first byte.
    pub(super) fn new() -> Self {
        Self::Preface(0)
    }

    /// Whether frames say where requests begin.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// These bytes have come too.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Stand {
        let mut behind = bytes;
        if let Self::Preface(seen) = self {
            let wanted = &PREFACE[*seen..];
            let count = wanted.len().min(bytes.len());
            if wanted[..count] != bytes[..count] {
                *self = Self::Http1;
                return Stand::Unframed;
            }
            *seen += count;
            if *seen < PREFACE.len() {
                return Stand::Unframed;
            }
            behind = &bytes[count..];
            *self = Self::Http2(Frames::default());
        }
        match self {
            Self::Http2(frames) => frames.feed(behind),
            Self::Preface(_) | Self::Http1 => Stand::Unframed,
        }
    }
}

impl Frames {
    fn feed(&mut self, mut bytes: &[u8]) -> Stand {
        let mut is_new = false;
        while !bytes.is_empty() {
            is_new |= !self.is_within();
            let wanted = if self.left > 0 { self.left } else { HEAD - self.filled };
            let (taken, behind) = bytes.split_at(wanted.min(bytes.len()));
            bytes = behind;
            if self.left > 0 {
                self.left -= taken.len();
                continue;
            }
            self.head[self.filled..][..taken.len()].copy_from_slice(taken);
            self.filled += taken.len();
            if self.filled == HEAD {
                self.begin();
            }
        }
        match self.is_within() {
            true => Stand::Within { is_new },
            false => Stand::Between,
        }
    }

    /// The head of a frame is whole.
    fn begin(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.filled = 0;
        self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.is_block_open = flags & END_HEADERS == 0;
        }
    }

    fn is_within(&self) -> bool {
        self.filled > 0 || self.left > 0 || self.is_block_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], &vec![0xff; payload]].concat()
    }

    fn framing() -> Framing {
        let mut framing = Framing::new();
        assert_eq!(framing.feed(&PREFACE[..10]), Stand::Unframed);
        assert_eq!(framing.feed(&PREFACE[10..]), Stand::Between);
        framing
    }

    #[test]
    fn what_is_not_h2_has_no_frames() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/1.1\r\n\r\n", b"P"] {
            let mut framing = Framing::new();
            assert_eq!((framing.feed(bytes), framing.is_http2()), (Stand::Unframed, false));
        }
    }

    #[test]
    fn a_frame_is_whole_with_its_last_byte_however_it_is_cut() {
        let bytes = [frame(4, 0, 0), frame(0, 1, 300), frame(HEADERS, END_HEADERS, 5), frame(6, 0, 8)].concat();
        let ends = [9, 318, 332, 349];
        for cut in 1..bytes.len() {
            let mut framing = framing();
            let stand = framing.feed(&bytes[..cut]);
            assert_eq!(stand == Stand::Between, ends.contains(&cut), "cut at {cut}");
            assert_eq!(framing.feed(&bytes[cut..]), Stand::Between);
        }
    }

    #[test]
    fn a_header_block_is_open_until_its_last_frame_is_whole() {
        let mut framing = framing();
        assert_eq!(framing.feed(&frame(HEADERS, 0, 5)), Stand::Within { is_new: true });
        assert_eq!(framing.feed(&frame(CONTINUATION, 0, 0)), Stand::Within { is_new: false });
        assert_eq!(framing.feed(&frame(CONTINUATION, END_HEADERS, 1)), Stand::Between);
    }

    #[test]
    fn what_begins_behind_a_whole_frame_is_new() {
        let mut framing = framing();
        assert_eq!(framing.feed(&frame(0, 0, 9)[..12]), Stand::Within { is_new: true });
        assert_eq!(framing.feed(&[0xff; 1]), Stand::Within { is_new: false });
        let behind = [vec![0xff; 5], frame(0, 0, 9)[..10].to_vec()].concat();
        assert_eq!(framing.feed(&behind), Stand::Within { is_new: true });
    }
}
