//! HTTP/2 on the wire ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113)): as much of it as unary gRPC calls
//! of one method need.

use std::fmt;

use bytes::{BufMut as _, BytesMut};

/// What a client begins with; its settings follow.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The window of a connection, and of a stream on it, before anybody says otherwise, in bytes.
pub(crate) const WINDOW_INITIAL: u32 = 65_535;
pub(crate) const WINDOW_MAX: u32 = (1 << 31) - 1;
/// No frame is longer: nobody here asks for longer ones.
pub(crate) const PAYLOAD_MAX: usize = 16_384;

const HEAD_BYTES: usize = 9;
/// A gRPC message comes after a byte that tells whether it is compressed, and its length.
pub(crate) const MESSAGE_HEAD_BYTES: usize = 5;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const SETTING_INITIAL_WINDOW: u16 = 4;

/// The head of a request, compressed ([RFC 7541](https://www.rfc-editor.org/rfc/rfc7541)): whole, which puts
/// it into the server's table, and as references to that.
pub(crate) struct Head {
    whole: Vec<u8>,
    sent: bool,
}

/// `:method POST`, `:scheme http`, and the four that the whole head puts into the table, the last first.
const HEAD_AGAIN: [u8; 6] = [0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe];

impl Head {
    /// Of a call of the method at `path`. Both texts are shorter than 127 bytes.
    pub(crate) fn new(path: &str, authority: &str) -> Self {
        let mut whole = HEAD_AGAIN[..2].to_vec();
        // The first byte names a field of the static table, or none; each is put into the dynamic one.
        let mut field = |first: u8, texts: &[&str]| {
            whole.push(first);
            for text in texts {
                whole.push(text.len() as u8);
                whole.extend_from_slice(text.as_bytes());
            }
        };
        field(0x44, &[path]);
        field(0x41, &[authority]);
        field(0x5f, &["application/grpc"]);
        field(0x40, &["te", "trailers"]);
        Self { whole, sent: false }
    }

    fn next(&mut self) -> &[u8] {
        if std::mem::replace(&mut self.sent, true) { &HEAD_AGAIN } else { &self.whole }
    }
}

/// Appends a request of one message. Answers how much of the server's windows it takes.
pub(crate) fn put_request(
    out: &mut BytesMut,
    stream: u32,
    head: &mut Head,
    message: impl FnOnce(&mut BytesMut),
) -> usize {
    let head = head.next();
    put_head(out, head.len(), HEADERS, END_HEADERS, stream);
    out.put_slice(head);
    let data = out.len();
    put_head(out, 0, DATA, END_STREAM, stream);
    out.put_bytes(0, MESSAGE_HEAD_BYTES);
    message(out);
    let payload = out.len() - data - HEAD_BYTES;
    debug_assert!(payload <= PAYLOAD_MAX);
    out[data..data + 3].copy_from_slice(&(payload as u32).to_be_bytes()[1..]);
    let length = (payload - MESSAGE_HEAD_BYTES) as u32;
    out[data + HEAD_BYTES + 1..data + HEAD_BYTES + MESSAGE_HEAD_BYTES]
        .copy_from_slice(&length.to_be_bytes());
    payload
}

/// Appends the settings of a client that takes whatever comes.
pub(crate) fn put_settings(out: &mut BytesMut) {
    put_head(out, 6, SETTINGS, 0, 0);
    out.put_u16(SETTING_INITIAL_WINDOW);
    out.put_u32(WINDOW_MAX);
}

pub(crate) fn put_settings_ack(out: &mut BytesMut) {
    put_head(out, 0, SETTINGS, ACK, 0);
}

pub(crate) fn put_pong(out: &mut BytesMut, bytes: &[u8]) {
    put_head(out, bytes.len(), PING, ACK, 0);
    out.put_slice(bytes);
}

/// Lets the server send so much more on the connection.
pub(crate) fn put_window_update(out: &mut BytesMut, by: u32) {
    put_head(out, 4, WINDOW_UPDATE, 0, 0);
    out.put_u32(by);
}

fn put_head(out: &mut BytesMut, payload: usize, kind: u8, flags: u8, stream: u32) {
    out.put_uint(payload as u64, 3);
    out.put_u8(kind);
    out.put_u8(flags);
    out.put_u32(stream);
}

/// What a server sends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Data {
        stream: u32,
        ends: bool,
        bytes: usize,
    },
    Headers {
        stream: u32,
        ends: bool,
    },
    Settings,
    Ping(&'a [u8]),
    WindowUpdate {
        stream: u32,
        by: u32,
    },
    /// What asks for nothing.
    Idle,
}

/// Why a connection can't go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It is no frame of those that were agreed on.
    Unexpected {
        kind: u8,
        payload: usize,
    },
    GoAway {
        code: u32,
    },
    Reset {
        stream: u32,
        code: u32,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { kind, payload } => {
                write!(f, "an unexpected frame of type {kind}, {payload} bytes")
            }
            Self::GoAway { code } => write!(f, "GOAWAY with error {code}"),
            Self::Reset { stream, code } => write!(f, "stream {stream} reset with error {code}"),
        }
    }
}

impl<'a> Frame<'a> {
    /// The first frame and how many bytes it takes; `None` before it is there as a whole.
    pub(crate) fn first(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Broken> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *head;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let stream = number([s0, s1, s2, s3]);
        let (ends, ack) = (flags & END_STREAM != 0, flags & ACK != 0);
        let unexpected = Broken::Unexpected { kind, payload: length };
        if length > PAYLOAD_MAX {
            return Err(unexpected);
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = match (kind, payload) {
            (DATA, _) => Self::Data { stream, ends, bytes: length },
            (HEADERS, _) if flags & END_HEADERS != 0 => Self::Headers { stream, ends },
            (SETTINGS, _) if !ack => Self::Settings,
            (PING, [_, _, _, _, _, _, _, _]) if !ack => Self::Ping(payload),
            (WINDOW_UPDATE, &[a, b, c, d]) => {
                Self::WindowUpdate { stream, by: number([a, b, c, d]) }
            }
            (GOAWAY, &[_, _, _, _, a, b, c, d, ..]) => {
                return Err(Broken::GoAway { code: u32::from_be_bytes([a, b, c, d]) });
            }
            (RST_STREAM, &[a, b, c, d]) => {
                return Err(Broken::Reset { stream, code: u32::from_be_bytes([a, b, c, d]) });
            }
            (SETTINGS | PING, _) if ack => Self::Idle,
            (HEADERS | PING | WINDOW_UPDATE | GOAWAY | RST_STREAM | CONTINUATION, _) => {
                return Err(unexpected);
            }
            _ => Self::Idle,
        };
        Ok(Some((frame, HEAD_BYTES + length)))
    }
}

/// Of 31 bits.
fn number(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & WINDOW_MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_is_whole_once_and_referred_to_afterwards() {
        let mut head = Head::new("/a.B/C", "h:1");
        let mut out = BytesMut::new();
        let taken = put_request(&mut out, 1, &mut head, |out| out.put_slice(b"xyz"));
        assert_eq!(taken, 8);
        let whole =
            b"\x83\x86\x44\x06/a.B/C\x41\x03h:1\x5f\x10application/grpc\x40\x02te\x08trailers";
        let mut expected = vec![0, 0, whole.len() as u8, HEADERS, END_HEADERS, 0, 0, 0, 1];
        expected.extend_from_slice(whole);
        expected.extend_from_slice(b"\0\0\x08\0\x01\0\0\0\x01\0\0\0\0\x03xyz");
        assert_eq!(out, expected);
        out.clear();
        put_request(&mut out, 3, &mut head, |_| {});
        assert_eq!(out[..], *b"\0\0\x06\x01\x04\0\0\0\x03\x83\x86\xc1\xc0\xbf\xbe\0\0\x05\0\x01\0\0\0\x03\0\0\0\0\0");
    }

    #[test]
    fn what_a_server_may_send() {
        let table: [(&[u8], Result<Frame<'_>, Broken>); 11] = [
            (b"\0\0\x02\0\x01\0\0\0\x05ab", Ok(Frame::Data { stream: 5, ends: true, bytes: 2 })),
            (b"\0\0\x01\x01\x04\x80\0\0\x05a", Ok(Frame::Headers { stream: 5, ends: false })),
            (b"\0\0\0\x04\0\0\0\0\0", Ok(Frame::Settings)),
            (b"\0\0\0\x04\x01\0\0\0\0", Ok(Frame::Idle)),
            (b"\0\0\x08\x06\0\0\0\0\0abcdefgh", Ok(Frame::Ping(b"abcdefgh"))),
            (b"\0\0\x08\x06\x01\0\0\0\0abcdefgh", Ok(Frame::Idle)),
            (b"\0\0\x04\x08\0\0\0\0\0\0\0\x01\0", Ok(Frame::WindowUpdate { stream: 0, by: 256 })),
            (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\x02", Err(Broken::GoAway { code: 2 })),
            (b"\0\0\x04\x03\0\0\0\0\x07\0\0\0\x08", Err(Broken::Reset { stream: 7, code: 8 })),
            (b"\0\0\0\x01\0\0\0\0\x07", Err(Broken::Unexpected { kind: HEADERS, payload: 0 })),
            (b"\x01\0\0\0\0\0\0\0\x07", Err(Broken::Unexpected { kind: DATA, payload: 65_536 })),
        ];
        for (bytes, expected) in table {
            match expected {
                Ok(frame) => {
                    assert_eq!(Frame::first(bytes), Ok(Some((frame, bytes.len()))));
                    assert_eq!(Frame::first(&bytes[..bytes.len() - 1]), Ok(None));
                }
                Err(broken) => assert_eq!(Frame::first(bytes), Err(broken)),
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_takes_no_more_than_is_there(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some((_, taken))) = Frame::first(&bytes) {
                prop_assert!(taken <= bytes.len());
            }
        }
    }
}
