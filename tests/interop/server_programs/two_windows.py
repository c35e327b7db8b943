"""Open two windows of ``chatwindow.py``, type into one, and print what the other shows, as JSON.

python two_windows.py FOLDER_OF_EXAMPLES URL PICTURE
"""

import json
import sys
from collections.abc import Callable

from PySide6.QtCore import QDeadlineTimer, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

TIMEOUT = 20_000  # ms


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = QDeadlineTimer(TIMEOUT)
    while not condition():
        if deadline.hasExpired():
            sys.exit("nothing happened")
        QTest.qWait(5)


def shown(window) -> list[str]:
    return [window.messages.item(row).text() for row in range(window.messages.count())]


def main() -> None:
    folder, url, picture = sys.argv[1:]
    sys.path.insert(0, folder)
    from chatwindow import ChatWindow  # noqa: PLC0415 - known only now

    application = QApplication(sys.argv)
    windows = [ChatWindow(url), ChatWindow(url)]
    for number, window in enumerate(windows, 1):
        window.show()
        QTest.mouseClick(window.connect_button, Qt.MouseButton.LeftButton)
        wait_until(lambda window=window: bool(shown(window)))
        assert window.line.isEnabled()
        wait_until(lambda number=number: shown(windows[0])[-1] == f"* guest {number} has come")
    first, second = windows
    QTest.keyClicks(first.line, "Hello, is anybody there?")
    QTest.keyClick(first.line, Qt.Key.Key_Return)
    wait_until(lambda: any("anybody" in text for text in shown(second)))
    second.grab().save(picture)
    result = {"line": first.line.text(), "shown": shown(second)}
    QTest.mouseClick(second.connect_button, Qt.MouseButton.LeftButton)
    wait_until(lambda: shown(first)[-1] == "* guest 2 has gone")
    result["button"] = second.connect_button.text()
    result["enabled"] = second.line.isEnabled()
    print(json.dumps(result))
    application.quit()


if __name__ == "__main__":
    main()
