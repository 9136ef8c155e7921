//! What reaches the terminal, and when.

use std::sync::mpsc;

use super::{super::*, PASSWORD};

/// Sends each line that is printed.
struct Printed(mpsc::Sender<u8>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.0.send(*byte).map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn legs_are_told_apart_by_their_place() {
    let (sender, printed) = mpsc::channel();
    let view =
        View::new("demo@example.org", &Secret::new(PASSWORD), false, Printed(sender)).unwrap();
    view.saw(3, Side::Downstream, true, b"A1 LOGIN demo@example.org k7w2-x9qz\r\n");
    view.saw(3, Side::Upstream, false, b"A1 NOOP\r\n");
    view.saw(12, Side::Upstream, true, b"* OK\r\n");
    view.ended(3);
    drop(view);
    let printed = String::from_utf8(printed.iter().collect()).unwrap();
    let expected = "  3  client  C: A1 LOGIN demo@example.org <password>
  3          provider  C: A1 NOOP
 12          provider  S: * OK
  3  ended
";
    assert_eq!(printed, expected);
}

/// Prints nothing until it is allowed to.
struct Stuck(Receiver<()>, Printed);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stuck_terminal_costs_lines_and_says_so() {
    let (go, wait) = mpsc::channel();
    let (sender, printed) = mpsc::channel();
    let output = Stuck(wait, Printed(sender));
    let view = View::new("demo@example.org", &Secret::new(PASSWORD), false, output).unwrap();
    for number in 0..WAITING_LINES + 10 {
        view.saw(1, Side::Downstream, true, format!("{number} NOOP\r\n").as_bytes());
    }
    drop(go);
    // At least as many lines as may wait were kept; when they are out, there is room for the notice.
    let mut text = String::new();
    for _ in 0..WAITING_LINES {
        text.extend(printed.iter().map(char::from).take_while(|character| *character != '\n'));
        text.push('\n');
    }
    view.saw(1, Side::Downstream, true, b"more NOOP\r\n");
    drop(view);
    text.extend(printed.iter().map(char::from));
    assert!(text.starts_with("  1  client  C: 0 NOOP\n  1  client  C: 1 NOOP\n"), "{text}");
    let notice = " lines were left out: too fast to print\n  1  client  C: more NOOP\n";
    assert!(text.ends_with(notice), "{text}");
}

#[test]
fn conversations_beyond_the_bound_are_forgotten_and_not_taken_up_in_the_middle() {
    let (sender, printed) = mpsc::channel();
    let view =
        View::new("demo@example.org", &Secret::new(PASSWORD), false, Printed(sender)).unwrap();
    let beyond = u64::try_from(CONVERSATIONS).unwrap() + 1;
    for connection in 1..=beyond {
        view.saw(connection, Side::Downstream, true, b"A1 NO");
    }
    view.saw(1, Side::Downstream, true, b"OP\r\n");
    view.saw(2, Side::Downstream, true, b"OP\r\n");
    drop(view);
    let printed = String::from_utf8(printed.iter().collect()).unwrap();
    assert_eq!(printed, "  2  client  C: A1 NOOP\n");
}
