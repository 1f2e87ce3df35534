//! Carbon's pickles: a list of `(path, (time, value))`, in Python's serialization of protocols 0 to 4.
//!
//! A pickle is a program for a stack machine that can call any Python function. Read here: numbers, texts, tuples, lists
//! and the memo, which is all that a list of points needs; every other instruction is refused. Stack, memo and lists are
//! bounded by the packet's size, since every instruction takes a byte of it.

use std::rc::Rc;

use thiserror::Error;

/// One point: path, time in seconds since 1970, value.
pub type Point = (String, f64, f64);

/// A packet that is no list of points.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PickleError {
    /// An instruction that a list of points does not need.
    #[error("the pickle has an instruction that is not read: {0:#04x} at byte {1}")]
    Instruction(u8, usize),
    /// It ends, or its stack is empty, before it should.
    #[error("the pickle ends too early")]
    Early,
    /// Something else than a list of points.
    #[error("the pickle is no list of (path, (time, value))")]
    Shape,
    /// A number or a text that cannot be read.
    #[error("the pickle has an argument that cannot be read at byte {0}")]
    Argument(usize),
}

#[derive(Debug, Clone)]
enum Value {
    Mark,
    Nothing,
    Number(f64),
    Text(Rc<str>),
    /// Tuples and lists; a list that is in the memo is shared with it only until it grows.
    Sequence(Rc<Vec<Value>>),
}

/// Reads a pickle.
///
/// # Errors
/// It is no list of points: the client's fault.
pub fn parse(bytes: &[u8]) -> Result<Vec<Point>, PickleError> {
    let Value::Sequence(items) = (Machine { bytes, at: 0, stack: Vec::new(), memo: Vec::new() }).run()? else {
        return Err(PickleError::Shape);
    };
    items.iter().map(point).collect()
}

fn point(value: &Value) -> Result<Point, PickleError> {
    let Value::Sequence(pair) = value else { return Err(PickleError::Shape) };
    let [Value::Text(path), Value::Sequence(inner)] = &pair[..] else { return Err(PickleError::Shape) };
    let [time, value] = &inner[..] else { return Err(PickleError::Shape) };
    let number = |value: &Value| match value {
        Value::Number(number) => Ok(*number),
        // Some clients send numbers as texts.
        Value::Text(text) => text.parse().map_err(|_| PickleError::Shape),
        _ => Err(PickleError::Shape),
    };
    Ok((path.to_string(), number(time)?, number(value)?))
}

struct Machine<'b> {
    bytes: &'b [u8],
    at: usize,
    stack: Vec<Value>,
    memo: Vec<(u32, Value)>,
}

impl<'b> Machine<'b> {
    fn run(mut self) -> Result<Value, PickleError> {
        loop {
            let at = self.at;
            let [instruction] = self.take::<1>()?;
            match instruction {
                b'.' => return self.pop(),
                0x80 => drop(self.take::<1>()?),
                0x95 => drop(self.take::<8>()?),
                b'(' => self.stack.push(Value::Mark),
                b']' | b')' => self.stack.push(Value::Sequence(Rc::default())),
                b'l' | b't' => {
                    let items = self.down_to_mark()?;
                    self.stack.push(Value::Sequence(Rc::new(items)));
                }
                0x85..=0x87 => {
                    let count = usize::from(instruction - 0x84);
                    let from = self.stack.len().checked_sub(count).ok_or(PickleError::Early)?;
                    let items = self.stack.split_off(from);
                    self.stack.push(Value::Sequence(Rc::new(items)));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.down_to_mark()?;
                    self.append(items)?;
                }
                b'N' => self.stack.push(Value::Nothing),
                0x88 => self.stack.push(Value::Number(1.0)),
                0x89 => self.stack.push(Value::Number(0.0)),
                b'K' => {
                    let [byte] = self.take::<1>()?;
                    self.stack.push(Value::Number(f64::from(byte)));
                }
                b'M' => {
                    let number = u16::from_le_bytes(self.take()?);
                    self.stack.push(Value::Number(f64::from(number)));
                }
                b'J' => {
                    let number = i32::from_le_bytes(self.take()?);
                    self.stack.push(Value::Number(f64::from(number)));
                }
                b'G' => {
                    let number = f64::from_be_bytes(self.take()?);
                    self.stack.push(Value::Number(number));
                }
                0x8a => self.long(at)?,
                b'I' | b'L' | b'F' => {
                    let text = self.line()?.trim_end_matches('L');
                    let number = match text {
                        "00" => 0.0,
                        "01" => 1.0,
                        text => text.parse().map_err(|_| PickleError::Argument(at))?,
                    };
                    self.stack.push(Value::Number(number));
                }
                b'S' => {
                    let text = self.line()?;
                    let inner = text.trim_matches(['\'', '"']);
                    self.stack.push(Value::Text(inner.into()));
                }
                b'V' => {
                    let text = self.line()?;
                    self.stack.push(Value::Text(text.into()));
                }
                b'U' | 0x8c => {
                    let [length] = self.take::<1>()?;
                    self.text(usize::from(length), at)?;
                }
                b'T' | b'X' => {
                    let length = u32::from_le_bytes(self.take()?);
                    self.text(length as usize, at)?;
                }
                b'q' => {
                    let [slot] = self.take::<1>()?;
                    self.remember(u32::from(slot))?;
                }
                b'r' => {
                    let slot = u32::from_le_bytes(self.take()?);
                    self.remember(slot)?;
                }
                b'p' => {
                    let slot = self.line()?.parse().map_err(|_| PickleError::Argument(at))?;
                    self.remember(slot)?;
                }
                0x94 => {
                    let slot = self.memo.len() as u32;
                    self.remember(slot)?;
                }
                b'h' => {
                    let [slot] = self.take::<1>()?;
                    self.recall(u32::from(slot))?;
                }
                b'j' => {
                    let slot = u32::from_le_bytes(self.take()?);
                    self.recall(slot)?;
                }
                b'g' => {
                    let slot = self.line()?.parse().map_err(|_| PickleError::Argument(at))?;
                    self.recall(slot)?;
                }
                other => return Err(PickleError::Instruction(other, at)),
            }
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or(PickleError::Early)?;
        self.at += N;
        Ok(*taken)
    }

    fn line(&mut self) -> Result<&'b str, PickleError> {
        let rest = self.bytes.get(self.at..).ok_or(PickleError::Early)?;
        let end = memchr::memchr(b'\n', rest).ok_or(PickleError::Early)?;
        let text = std::str::from_utf8(&rest[..end]).map_err(|_| PickleError::Argument(self.at))?;
        self.at += end + 1;
        Ok(text)
    }

    fn text(&mut self, length: usize, at: usize) -> Result<(), PickleError> {
        let end = self.at.checked_add(length).ok_or(PickleError::Early)?;
        let bytes = self.bytes.get(self.at..end).ok_or(PickleError::Early)?;
        let text = std::str::from_utf8(bytes).map_err(|_| PickleError::Argument(at))?;
        self.stack.push(Value::Text(text.into()));
        self.at += length;
        Ok(())
    }

    /// A whole number of up to 255 bytes, little-endian, in two's complement.
    fn long(&mut self, at: usize) -> Result<(), PickleError> {
        let [length] = self.take::<1>()?;
        let bytes = self.bytes.get(self.at..self.at + usize::from(length)).ok_or(PickleError::Early)?;
        if bytes.len() > 8 {
            return Err(PickleError::Argument(at));
        }
        let fill = if bytes.last().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
        let mut whole = [fill; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        self.stack.push(Value::Number(i64::from_le_bytes(whole) as f64));
        self.at += usize::from(length);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, PickleError> {
        self.stack.pop().ok_or(PickleError::Early)
    }

    fn down_to_mark(&mut self) -> Result<Vec<Value>, PickleError> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark)).ok_or(PickleError::Early)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), PickleError> {
        match self.stack.last_mut() {
            Some(Value::Sequence(list)) => {
                // The memo's copy of a list that is being filled is never asked for by what pickles points.
                if Rc::strong_count(list) > 1 {
                    self.memo.retain(|(_, kept)| !matches!(kept, Value::Sequence(other) if Rc::ptr_eq(other, list)));
                }
                Rc::make_mut(list).extend(items);
                Ok(())
            }
            _ => Err(PickleError::Shape),
        }
    }

    fn remember(&mut self, slot: u32) -> Result<(), PickleError> {
        let value = self.stack.last().ok_or(PickleError::Early)?.clone();
        match self.memo.binary_search_by_key(&slot, |(known, _)| *known) {
            Ok(at) => self.memo[at].1 = value,
            Err(at) => self.memo.insert(at, (slot, value)),
        }
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), PickleError> {
        let at = self.memo.binary_search_by_key(&slot, |(known, _)| *known).map_err(|_| PickleError::Early)?;
        self.stack.push(self.memo[at].1.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Every protocol, from Python's own pickler.
    #[test]
    fn what_python_pickles_is_read() {
        let program = "import pickle,sys
points = [('a.b', (1000, 5)), ('c;x=y', (1000.5, -2.25)), ('a.b', (2**33, True)), ('d', ('1000', '7'))]
sys.stdout.write(' '.join(pickle.dumps(points, protocol=p).hex() for p in range(5)))";
        let Ok(output) = Command::new("python3").args(["-c", program]).output() else {
            println!("skipped: python3 is missing");
            return;
        };
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.split(' ').count(), 5);
        for pickled in text.split(' ') {
            let bytes: Vec<u8> =
                (0..pickled.len()).step_by(2).map(|i| u8::from_str_radix(&pickled[i..i + 2], 16).unwrap()).collect();
            let points = parse(&bytes).unwrap();
            let expected =
                [("a.b", 1000.0, 5.0), ("c;x=y", 1000.5, -2.25), ("a.b", 8_589_934_592.0, 1.0), ("d", 1000.0, 7.0)];
            assert_eq!(points, expected.map(|(path, time, value)| (path.to_owned(), time, value)));
        }
    }

    #[test]
    fn a_pickle_that_calls_something_is_refused() {
        assert_eq!(parse(b"cos\nsystem\n(S'ls'\ntR."), Err(PickleError::Instruction(b'c', 0)));
        assert_eq!(parse(b""), Err(PickleError::Early));
        assert_eq!(parse(b"K\x01."), Err(PickleError::Shape));
        assert_eq!(parse(b"X\xff\xff\xff\xff."), Err(PickleError::Early));
    }
}
