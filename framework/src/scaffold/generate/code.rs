/// Rust source with its comments, strings and characters blanked out, byte for byte: what is found in it is code.
pub(super) struct Code {
    blanked: String,
}

/// A line, without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many brackets are open where it begins.
    pub(super) depth: usize,
}

/// A call in a chain such as `Service::new(…).module(…)`.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    /// Its dot; of the first call, where the chain begins.
    pub(super) start: usize,
    /// Its bracket.
    pub(super) open: usize,
    /// Behind its closing bracket.
    pub(super) end: usize,
}

impl Code {
    pub(super) fn new(text: &str) -> Self {
        Self { blanked: blank(text) }
    }

    /// The code in place of the text, blanks where there was none.
    pub(super) fn text(&self) -> &str {
        &self.blanked
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let (mut lines, mut start, mut depth) = (Vec::new(), 0, 0_usize);
        for text in self.blanked.split('\n') {
            let end = start + text.len();
            lines.push(Line { start, end, depth });
            for byte in text.bytes() {
                match byte {
                    b'(' | b'[' | b'{' => depth += 1,
                    b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            start = end + 1;
        }
        lines
    }

    /// The chain that begins with a call of `head`, such as `Service::new`: the first one in the function of this name, else
    /// the first one there is.
    pub(super) fn chain(&self, head: &str, function: &str) -> Option<Vec<Call>> {
        let within = self.body(function).and_then(|(from, to)| self.head(head, from, to));
        let (start, open) = within.or_else(|| self.head(head, 0, self.blanked.len()))?;
        let end = self.close(open)?;
        let mut calls = vec![Call { name: "new".to_owned(), start, open, end }];
        while let Some(call) = calls.last().and_then(|last| self.call(last.end)) {
            calls.push(call);
        }
        Some(calls)
    }

    /// Where a function of this name is, without its brackets.
    fn body(&self, function: &str) -> Option<(usize, usize)> {
        let name = self.words("fn").find_map(|at| {
            let name = self.skip_blanks(at + 2);
            let rest = self.blanked.get(name..)?.strip_prefix(function)?;
            rest.trim_start().starts_with(['(', '<']).then_some(name)
        })?;
        let arguments = name + self.blanked[name..].find('(')?;
        let after = self.close(arguments)?;
        let open = after + self.blanked[after..].find('{')?;
        Some((open + 1, self.close(open)? - 1))
    }

    fn head(&self, head: &str, from: usize, to: usize) -> Option<(usize, usize)> {
        self.words(head).filter(|at| (from..to).contains(at)).find_map(|at| {
            let open = self.skip_blanks(at + head.len());
            self.blanked[open..].starts_with('(').then_some((at, open))
        })
    }

    /// The call that follows: a dot, a name, perhaps types, and arguments.
    fn call(&self, from: usize) -> Option<Call> {
        let start = self.skip_blanks(from);
        let name = self.skip_blanks(start + self.blanked[start..].strip_prefix('.').map(|_| 1)?);
        let length = self.blanked[name..].bytes().take_while(|byte| is_part_of_name(*byte)).count();
        let mut open = self.skip_blanks(name + length);
        if self.blanked[open..].starts_with("::<") {
            open = self.skip_blanks(self.behind_types(open + 2)?);
        }
        let end = self.blanked[open..].starts_with('(').then(|| self.close(open))??;
        Some(Call { name: self.blanked[name..name + length].to_owned(), start, open, end })
    }

    fn behind_types(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, byte) in self.blanked.bytes().enumerate().skip(open) {
            match byte {
                b'<' => depth += 1,
                b'>' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return Some(at + 1);
            }
        }
        None
    }

    /// Behind the bracket that closes the one at `open`.
    pub(super) fn close(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, byte) in self.blanked.bytes().enumerate().skip(open) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(at + 1);
            }
        }
        None
    }

    /// Where a word stands by itself.
    pub(super) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let bytes = self.blanked.as_bytes();
        self.blanked.match_indices(word).map(|(at, _)| at).filter(move |at| {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            let after = bytes.get(at + word.len());
            ![before, after].into_iter().flatten().any(|byte| is_part_of_name(*byte))
        })
    }

    pub(super) fn skip_blanks(&self, from: usize) -> usize {
        let rest = &self.blanked[from..];
        from + rest.len() - rest.trim_start().len()
    }
}

const fn is_part_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut blanked = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let Some(end) = end_of_text(bytes, at) else {
            at += 1;
            continue;
        };
        let end = end.min(bytes.len());
        blanked[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end;
    }
    // Whole characters were blanked, or none of their bytes.
    String::from_utf8_lossy(&blanked).into_owned()
}

/// Where a comment, string or character ends, if one begins here.
fn end_of_text(bytes: &[u8], at: usize) -> Option<usize> {
    let begins_a_word = !at.checked_sub(1).is_some_and(|before| is_part_of_name(bytes[before]));
    match &bytes[at..] {
        [b'/', b'/', ..] => Some(find(bytes, at, b"\n")),
        [b'/', b'*', ..] => Some(end_of_block(bytes, at + 2)),
        [b'"', ..] => Some(end_of_string(bytes, at + 1)),
        [b'\'', ..] => end_of_character(bytes, at),
        [b'r', ..] if begins_a_word => end_of_raw(bytes, at + 1),
        [b'b' | b'c', b'r', ..] if begins_a_word => end_of_raw(bytes, at + 2),
        _ => None,
    }
}

/// Where something is next, or the end.
fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let found = bytes.get(from..).and_then(|rest| rest.windows(what.len()).position(|here| here == what));
    found.map_or(bytes.len(), |position| from + position)
}

/// Blocks of comments nest.
fn end_of_block(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 1_usize);
    while at < bytes.len() && depth > 0 {
        match &bytes[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

fn end_of_string(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// `None` for a name such as `r#type`.
fn end_of_raw(bytes: &[u8], from: usize) -> Option<usize> {
    let hashes = bytes[from..].iter().take_while(|byte| **byte == b'#').count();
    (bytes.get(from + hashes) == Some(&b'"')).then(|| {
        let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
        find(bytes, from + hashes + 1, &end) + end.len()
    })
}

/// `None` for a lifetime.
fn end_of_character(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        return Some(find(bytes, at + 3, b"'") + 1);
    }
    let rest = std::str::from_utf8(&bytes[at + 1..]).ok()?;
    let width = rest.chars().next()?.len_utf8();
    (bytes.get(at + 1 + width) == Some(&b'\'')).then_some(at + width + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_code_is_blanked_and_the_rest_stays_where_it_is() {
        for (text, code) in [
            ("a // mod b;\nc", "a          \nc"),
            ("a /* x /* y */ z */ b", "a                   b"),
            (r#"a "b\"c" d"#, "a        d"),
            ("a r#\"b\"c\"# d", "a          d"),
            ("r#type r", "r#type r"),
            ("'a' 'b '\\'' <'c>", "    'b      <'c>"),
            ("'é' ü", "     ü"),
            ("for \"x\"", "for    "),
            ("\"open", "     "),
        ] {
            let blanked = blank(text);
            assert_eq!((blanked.as_str(), blanked.len()), (code, text.len()), "{text}");
        }
    }

    #[test]
    fn a_chain_is_found_in_its_function_with_types_and_comments_between() {
        let text = "fn other() { Service::new(0).gone() }\n\
            fn create_app(p: (u8, u8)) -> Service {\n    Service::new(\"a)\") // .no(\n        .job::<A<B>, _>(|b| Ok(b))\n        .last()?\n}";
        let names = |function| -> Vec<String> {
            let chain = Code::new(text).chain("Service::new", function).unwrap();
            chain.into_iter().map(|call| call.name).collect()
        };
        assert_eq!(names("create_app"), ["new", "job", "last"]);
        assert_eq!(names("nowhere"), ["new", "gone"]);
        assert!(Code::new(text).chain("Module::new", "create_app").is_none());
    }
}
