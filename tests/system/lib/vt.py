# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a terminal shows, from what was written to it: as much of xterm (ECMA-48) as ncurses uses of
it.  A sequence that is not known is an error of the test, not something to be passed over."""
import re

TOKEN = re.compile(r"\x1b\[([?>]?)([\d;]*)([@-~])|\x1b[()][0-9A-B]|\x1b[=>78M]|[\x00-\x1f]|[^\x1b]")


class Screen:
    def __init__(self, width, height):
        self.cells = []
        self.row = self.column = 0
        self.resize(width, height)
        self.rest = ""
        self.styles = set()     # parameters of SGR that were seen

    def resize(self, width, height):
        self.width, self.height = width, height
        self.cells = [(row + [" "] * width)[:width] for row in self.cells[:height]]
        self.cells += [[" "] * width for _ in range(height - len(self.cells))]
        self.row, self.column = min(self.row, height - 1), min(self.column, width - 1)
        self.top, self.bottom = 0, height - 1
        self.last = " "

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        at = 0
        while at < len(text):
            token = TOKEN.match(text, at)
            if not token:       # the rest of a sequence comes later
                if len(text) - at > 32:
                    raise AssertionError(f"no sequence of xterm: {text[at:at + 32]!r}")
                self.rest = text[at:]
                return
            at = token.end()
            if token[3]:
                self.control(token[1], token[2], token[3])
            elif token[0] == "\x1bM":
                self.scroll_back()
            elif token[0][0] != "\x1b":
                self.put(token[0])

    def put(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.line_feed()
        elif char == "\b":
            self.column = max(0, self.column - 1)
        elif char == "\t":
            self.column = min(self.width - 1, (self.column // 8 + 1) * 8)
        elif char >= " ":
            if self.column == self.width:
                self.column = 0
                self.line_feed()
            self.cells[self.row][self.column] = self.last = char
            self.column += 1

    def line_feed(self):
        if self.row == self.bottom:
            self.move_lines(self.top, -1)
        else:
            self.row = min(self.height - 1, self.row + 1)

    def scroll_back(self):
        if self.row == self.top:
            self.move_lines(self.top, 1)
        else:
            self.row = max(0, self.row - 1)

    def move_lines(self, first, by):
        """The lines from FIRST to the end of the region go down, or up if BY is negative."""
        for _ in range(abs(by)):
            if by > 0:
                del self.cells[self.bottom]
                self.cells.insert(first, [" "] * self.width)
            else:
                del self.cells[first]
                self.cells.insert(self.bottom, [" "] * self.width)

    def erase(self, row, first, last):
        for column in range(first, min(last, self.width)):
            self.cells[row][column] = " "

    def control(self, private, parameters, final):
        numbers = [int(part) if part else 0 for part in parameters.split(";")]
        count = max(1, numbers[0])
        row, column = self.row, min(self.column, self.width - 1)
        if final in "Hf":
            numbers += [0]
            self.row = min(self.height, max(1, numbers[0])) - 1
            self.column = min(self.width, max(1, numbers[1])) - 1
        elif final == "A":
            self.row = max(0, row - count)
        elif final == "B":
            self.row = min(self.height - 1, row + count)
        elif final == "C":
            self.column = min(self.width - 1, column + count)
        elif final == "D":
            self.column = max(0, column - count)
        elif final == "G":
            self.column = min(self.width, count) - 1
        elif final == "d":
            self.row = min(self.height, count) - 1
        elif final == "J":
            for other in range(self.height):
                if numbers[0] == 2 or (other > row and numbers[0] == 0) or (
                        other < row and numbers[0] == 1):
                    self.erase(other, 0, self.width)
            if numbers[0] != 2:
                self.control(private, parameters, "K")
        elif final == "K":
            self.erase(row, 0 if numbers[0] else column, column + 1 if numbers[0] == 1 else self.width)
        elif final == "X":
            self.erase(row, column, column + count)
        elif final == "P":
            self.cells[row] = (self.cells[row][:column] + self.cells[row][column + count:]
                               + [" "] * count)[:self.width]
        elif final == "@":
            self.cells[row] = (self.cells[row][:column] + [" "] * count
                               + self.cells[row][column:])[:self.width]
        elif final in "LM":
            self.move_lines(row, count if final == "L" else -count)
        elif final in "ST":
            self.move_lines(self.top, count if final == "T" else -count)
        elif final == "b":
            for _ in range(count):
                self.put(self.last)
        elif final == "r":
            self.top = max(1, numbers[0]) - 1
            self.bottom = (numbers[1] if len(numbers) > 1 and numbers[1] else self.height) - 1
            self.row = self.column = 0
        elif final == "m":
            self.styles.update(numbers)
        elif final not in "hltcnq":
            raise AssertionError(f"an unknown sequence of xterm: {parameters}{final}")
