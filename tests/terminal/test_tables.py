import subprocess
import sys

PRINTS = """
from fer_tune.terminal.tables import console
told = console()
for line in range(20_000):
    told.print(line)
print("done", file=__import__("sys").stderr)
"""


def test_a_command_whose_reader_leaves_goes_on() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == "done\n"
    process.stderr.close()
    assert process.wait() == 0
