//! As much of Redis's protocol as a baseline needs.

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::exit::{Outcome, Problem};

/// A connection that sends commands and reads answers one after the other.
pub(crate) struct Redis(BufReader<TcpStream>);

impl Redis {
    /// Connects to `redis://host:port`.
    pub(crate) async fn connect(url: &str) -> Outcome<Self> {
        let address = url.trim_start_matches("redis://");
        let address = address.split('/').next().unwrap_or_default();
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| Problem::failed(format!("{address}: {error}")))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) async fn send(&mut self, words: &[&str]) -> Outcome<()> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        Ok(self.0.get_mut().write_all(command.as_bytes()).await?)
    }

    /// The words of the next answer, or of one message of a subscription.
    pub(crate) async fn receive(&mut self) -> Outcome<Vec<String>> {
        let first = self.line().await?;
        let Some(count) = first.strip_prefix('*') else { return Ok(vec![first]) };
        let count: usize = count.parse().map_err(Problem::failed)?;
        let mut words = Vec::with_capacity(count);
        for _ in 0..count {
            words.push(String::from_utf8_lossy(&self.bulk().await?).into_owned());
        }
        Ok(words)
    }

    /// One value; a number as its digits.
    pub(crate) async fn bulk(&mut self) -> Outcome<Vec<u8>> {
        let head = self.line().await?;
        let Some(bytes) = head.strip_prefix('$') else { return Ok(head.into_bytes()) };
        let bytes: usize = bytes.parse().map_err(|_| Problem::failed("Redis has no such value"))?;
        let mut value = vec![0; bytes + 2];
        self.0.read_exact(&mut value).await?;
        value.truncate(bytes);
        Ok(value)
    }

    async fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(Problem::failed("Redis closed the connection"));
        }
        let line = line.trim_end().to_owned();
        if line.starts_with('-') { Err(Problem::failed(line)) } else { Ok(line) }
    }
}
