//! Two segment trees: sums of ranges that ask for the next zero or non-zero, and a maximum of a range.

/// How many spans cover each cell.
pub(super) struct Covers {
    width: usize,
    /// By node: the least and the most in its range, without what was added to nodes above it.
    least: Vec<i32>,
    most: Vec<i32>,
    added: Vec<i32>,
}

impl Covers {
    pub fn new(cells: usize) -> Self {
        let width = cells.next_power_of_two();
        let zeros = || vec![0; 2 * width];
        Covers { width, least: zeros(), most: zeros(), added: zeros() }
    }

    /// Adds to the cells `low..high`.
    pub fn add(&mut self, low: usize, high: usize, by: i32) {
        let (mut left, mut right) = (low + self.width, high + self.width);
        let (first, last) = (left, right - 1);
        while left < right {
            if left & 1 == 1 {
                self.add_whole(left, by);
                left += 1;
            }
            if right & 1 == 1 {
                right -= 1;
                self.add_whole(right, by);
            }
            (left, right) = (left / 2, right / 2);
        }
        for leaf in [first, last] {
            let mut node = leaf / 2;
            while node > 0 {
                self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]) + self.added[node];
                self.most[node] = self.most[2 * node].max(self.most[2 * node + 1]) + self.added[node];
                node /= 2;
            }
        }
    }

    fn add_whole(&mut self, node: usize, by: i32) {
        self.least[node] += by;
        self.most[node] += by;
        self.added[node] += by;
    }

    /// The first cell of `low..high` that is covered, or that is not; `high` if there is none.
    pub fn first(&self, low: usize, high: usize, covered: bool) -> usize {
        // Nodes still to look at, the leftmost on top, with what was added above them.
        let mut open = vec![(1, 0, self.width, 0)];
        while let Some((node, start, size, above)) = open.pop() {
            let has = if covered { self.most[node] + above > 0 } else { self.least[node] + above == 0 };
            if !has || start + size <= low || high <= start {
                continue;
            }
            if size == 1 {
                return start;
            }
            let (half, above) = (size / 2, above + self.added[node]);
            open.push((2 * node + 1, start + half, half, above));
            open.push((2 * node, start, half, above));
        }
        high
    }
}

/// The greatest number of a range, and where it is.
pub(super) struct Greatest {
    width: usize,
    nodes: Vec<(u32, u32)>,
}

impl Greatest {
    /// All 0.
    pub fn new(cells: usize) -> Self {
        let width = cells.next_power_of_two();
        Greatest { width, nodes: vec![(0, 0); 2 * width] }
    }

    pub fn set(&mut self, cell: usize, number: u32) {
        let mut node = cell + self.width;
        self.nodes[node] = (number, cell as u32);
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node].max(self.nodes[2 * node + 1]);
        }
    }

    /// Of the cells `low..high`.
    pub fn of(&self, low: usize, high: usize) -> (u32, u32) {
        let (mut left, mut right) = (low + self.width, high + self.width);
        let mut best = (0, 0);
        while left < right {
            if left & 1 == 1 {
                best = best.max(self.nodes[left]);
                left += 1;
            }
            if right & 1 == 1 {
                right -= 1;
                best = best.max(self.nodes[right]);
            }
            (left, right) = (left / 2, right / 2);
        }
        best
    }
}
