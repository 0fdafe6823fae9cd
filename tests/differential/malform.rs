//! Malformed input: tidy commands with bytes changed, lost and put in.

use super::case::{Burst, Command, Ending, FILLER, FILLERS, PREFIX};
use super::generate::Generator;

/// The longest value that the filler behind a burst completes whatever happens before.
const LONGEST: i32 = 4000;

impl Generator {
    /// Commands of which some are malformed.
    ///
    /// What memcached has not sent yet is lost when it waits for a value that never comes, and when it refuses a
    /// key in `get`. Whether something is unsent depends on the cuts, so that a barrier stands before each
    /// malformed command, behind filler for what an earlier one may have left open.
    pub fn malformed_burst(&mut self) -> Burst {
        loop {
            let burst = self.try_malformed_burst();
            if is_repeatable(&burst.render(&self.prefix, &self.prefix, &[])) {
                return burst;
            }
        }
    }

    fn try_malformed_burst(&mut self) -> Burst {
        self.numbers_are_read_by_meta = self.random.bool();
        self.sturdy = true;
        let mut commands = Vec::new();
        let mut open = false;
        for _ in 0..self.random.usize(1..=5) {
            let command = self.command();
            if self.random.u8(0..3) > 0 {
                let malformed = self.malform(&command);
                if std::mem::replace(&mut open, true) {
                    commands.push(Command::raw(FILLER.repeat(FILLERS)));
                }
                commands.extend([Command::new("mn"), malformed]);
            } else {
                commands.push(command);
            }
        }
        // Never the first byte of a connection, where 0x80 means another protocol.
        commands.insert(0, Command::new("mn"));
        self.sturdy = false;
        Burst { commands, ending: Ending::Filler }
    }

    /// What makes a server close. Nothing follows it and all before it has been heard: a close with bytes unread
    /// resets the connection, and a reset may overtake answers.
    pub fn closing_burst(&mut self) -> Burst {
        let mut commands = Vec::new();
        if self.random.bool() {
            commands.extend((0..self.random.usize(0..5)).map(|_| self.command()));
            commands.push(Command::new(self.pick(&["quit", "quit", "quit noreply", " quit"])));
        } else {
            let line =
                self.pick(&["get", "set ", "x", "", "mg ", "gats ", "ms ", "GET / HTTP/1.1\r\n", "POST x HTTP/1.0\n"]);
            let length = if line.ends_with('\n') { 0 } else { 20_000 };
            commands.push(Command::raw([line.as_bytes(), &vec![b'x'; length]].concat()));
        }
        Burst { commands, ending: Ending::Close }
    }

    fn malform(&mut self, command: &Command) -> Command {
        let mut tidy = Vec::new();
        command.render(&[], &mut tidy);
        for _ in 0..self.random.usize(1..=2) {
            self.change(&mut tidy);
        }
        Command::raw(tidy)
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.random.usize(0..=bytes.len());
        let line = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        match self.random.u8(0..13) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.random.u8(0..8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.insert(at, self.random.u8(..)),
            3 => bytes.insert(at, b" \t\0\r\n:0x"[self.random.usize(0..8)]),
            4 => bytes.truncate(at),
            // The line end, or the one behind the value.
            5 if line >= 2 => drop(bytes.drain(line - 2..line)),
            6 => bytes.truncate(bytes.len().saturating_sub(2)),
            7 if line >= 2 => drop(bytes.remove(line - 2)),
            // A value longer or shorter than announced.
            8 => bytes.insert(line.min(bytes.len()), b'v'),
            9 if line < bytes.len() => drop(bytes.remove(line)),
            // A key that is too long.
            10 => {
                let end = bytes.iter().position(|byte| *byte == b' ').map_or(0, |at| at + 1);
                let long = [&self.prefix[..], &vec![b'y'; 251 - PREFIX]].concat();
                bytes.splice(end..end, long);
            }
            11 => {
                let length = self.random.usize(1..60);
                *bytes = (0..length).map(|_| self.random.u8(..)).collect();
            }
            _ => {
                let line = self.pick(&[
                    "set KEY 0 0 -1\r\n",
                    "set KEY x 0 3\r\nabc\r\n",
                    "set KEY 0 x 3\r\nabc\r\n",
                    "set KEY 0 0 x\r\nabc\r\n",
                    "set KEY 0 0 3 noreply\r\nabcd\r\n",
                    "set KEY -1 0 3\r\nabc\r\n",
                    "set KEY 0 0 3 no reply\r\nabc\r\n",
                    "set KEY 0 0 2147483647\r\n",
                    "set KEY 0 0 4294967299\r\nabc\r\n",
                    "ms KEY\r\n",
                    "ms KEY x\r\nabc\r\n",
                    "ms KEY -1\r\n",
                    "ms KEY S3\r\nabc\r\n",
                    "ms KEY 3 S3\r\nabc\r\n",
                    "cas KEY 0 0 3\r\nabc\r\n",
                    "cas KEY 0 0 3 x\r\nabc\r\n",
                    "QUIT\r\n",
                    "mg KEY a b c d e f g h i j k l m n o p q r s t u v w\r\n",
                    "mg KEY k k\r\n",
                    "ms KEY 3 b\r\nabc\r\n",
                    "ms KEY 3 a b c d e f g h i j k l m n o p q r s t\r\nabc\r\n",
                    "mn x\r\n",
                    "mg\tKEY\r\n",
                ]);
                let key = String::from_utf8_lossy(&self.prefix).into_owned();
                *bytes = line.replace("KEY", &key).into_bytes();
            }
        }
    }
}

/// Whether memcached answers it alike every time: no value is announced that the filler does not complete, and no
/// line is as long as one that is refused or not by how it arrived.
pub fn is_repeatable(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').all(|line| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
        // As C reads it: up to the first byte that is no digit, and of a long number the lower 32 bits.
        let announced = |at: usize| {
            let word = words.get(at).copied().unwrap_or_default();
            let digits = word.iter().copied().skip_while(|byte| !byte.is_ascii_digit()).take_while(u8::is_ascii_digit);
            String::from_utf8(digits.collect()).ok()?.parse::<i64>().ok().map(|number| number as i32)
        };
        // What a random case does not say either.
        let newer = words.iter().skip(2).any(|word| matches!(word[0], b'E' | b'x')) && line.contains(&b'm');
        let fits = |at| announced(at).is_none_or(|length| length <= LONGEST || length >= i32::MAX - 1);
        let long = line.len() > 1500 && !line.starts_with(b"get ") && !line.starts_with(b"gets ");
        let is_meta = line.windows(2).any(|pair| pair == b"ms");
        !newer && !long && (!is_meta || fits(2)) && fits(4)
    })
}
