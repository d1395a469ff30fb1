//! The names of a map, in one block of memory.

/// Names in ascending order (by bytes), each once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Names {
    /// One after the other.
    text: String,
    /// Where each ends: a state has far less than 4 GiB of names.
    ends: Vec<u32>,
}

impl Names {
    pub(super) fn get(&self, at: usize) -> &str {
        &self.text[self.start(at)..self.ends[at] as usize]
    }

    /// Where a name stands, or where it would.
    pub(super) fn search(&self, name: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let found = &self.text.as_bytes()[self.start(middle)..self.ends[middle] as usize];
            match found.cmp(name.as_bytes()) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Puts a name where [`Names::search`] says.
    pub(super) fn insert(&mut self, at: usize, name: &str) {
        let start = self.start(at);
        self.text.insert_str(start, name);
        self.ends.insert(at, start as u32);
        self.ends[at..].iter_mut().for_each(|end| *end += name.len() as u32);
    }

    pub(super) fn remove(&mut self, at: usize) {
        let (start, end) = (self.start(at), self.ends.remove(at) as usize);
        self.text.replace_range(start..end, "");
        self.ends[at..].iter_mut().for_each(|later| *later -= (end - start) as u32);
    }

    pub(super) const fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }
}

/// They must be in order.
impl<'a, N: AsRef<str> + 'a> FromIterator<&'a N> for Names {
    fn from_iter<I: IntoIterator<Item = &'a N>>(ordered: I) -> Self {
        let mut names = Self::default();
        for name in ordered {
            names.text.push_str(name.as_ref());
            names.ends.push(names.text.len() as u32);
        }
        names
    }
}
