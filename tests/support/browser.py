"""Chromium with a scripted microphone, and recording of what the page plays.

The microphone is a stream of the page's own audio engine fed from WAV bytes: unlike Chromium's file device it can wait
for an event (the end of the greeting) instead of for a number of seconds of silence in the file.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

EARS_RATE = 48_000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_SHIM = (Path(__file__).parent / "microphone.js").read_text()


FAKE_DEVICE = "--use-fake-device-for-media-stream"
FAKE_CONSENT = "--use-fake-ui-for-media-stream"


@contextmanager
def chromium(*, without: str = "", executable: str = CHROMIUM, trusts: str = "") -> Iterator[Browser]:
    """`without=FAKE_DEVICE`: a machine without a microphone. `without=FAKE_CONSENT`: a user who denies access to it.

    `trusts`: an origin that may use the microphone as if it were HTTPS.
    """
    with sync_playwright() as playwright:
        args = [flag for flag in FLAGS if flag != without]
        if trusts:
            args.append(f"--unsafely-treat-insecure-origin-as-secure={trusts}")
        browser = playwright.chromium.launch(executable_path=executable, args=args)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """User of the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_init_script(_SHIM)

    def element(self, test_id: str) -> str:
        return f"[data-testid='{test_id}']"

    def find(self, test_id: str) -> Locator:
        return self.page.locator(self.element(test_id))

    def call(self, url: str, agent: str) -> None:
        """Opens the page, picks the agent, presses Talk."""
        self.page.goto(url)
        self.find(f"agent-card-{agent}").click()
        self.find("connect").click()

    def expect_phase(self, phase: str, within: float = 60.0) -> None:
        expect(self.page.locator("body")).to_have_attribute("data-phase", phase, timeout=within * 1000)

    def expect_answering(self, within: float = 60.0) -> None:
        """The page is in the room and the assistant announces that it is engaged."""
        self.expect_phase("live", within)
        expect(self.find("badge")).to_have_attribute("data-state", "engaged", timeout=within * 1000)

    def leave(self) -> None:
        self.find("disconnect").click()
        self.expect_phase("left", 30.0)

    def expect_notice(self, code: str, within: float = 30.0) -> Locator:
        notice = self.page.locator(f"{self.element('notice')}[data-code={code}]")
        expect(notice).to_be_visible(timeout=within * 1000)
        return notice

    @property
    def episode(self) -> int:
        return int(self.find("badge").get_attribute("data-episode") or 0)

    @property
    def answers(self) -> Locator:
        """Final captions of the assistant."""
        return self.page.locator(f"{self.element('captions')} li[data-who=assistant][data-final=true]")

    @property
    def said(self) -> Locator:
        """What the user said or typed, as the page shows it."""
        return self.page.locator(f"{self.element('captions')} li[data-who=me] .line-text")

    def ask(self, text: str, within: float = 60.0) -> str:
        """Types `text` and returns the whole answer that follows."""
        lines = self.page.locator(f"{self.element('captions')} li")
        before = lines.count()
        self.find("message").fill(text)
        self.find("message").press("Enter")
        mine = self.page.locator(f"{self.element('captions')} li[data-who=me]", has_text=text).last
        expect(mine).to_be_visible()
        answer = mine.locator("xpath=following-sibling::li[@data-who='assistant'][1]")
        expect(answer).to_have_attribute("data-final", "true", timeout=within * 1000)
        assert lines.count() > before
        return answer.locator(".line-text").inner_text()

    def speak(self, wav: bytes) -> None:
        """Returns when the whole sound has been played."""
        self.page.evaluate("wav => window.__microphone.say(wav)", base64.b64encode(wav).decode())

    def listen(self) -> None:
        """Starts to record what the page plays: the live voice, or the next one if there is none yet."""
        self.page.evaluate("voice => window.__ears.listen(voice)", self.element("voice"))

    def heard(self) -> NDArray[np.float32]:
        """The recording since `listen`, mono at EARS_RATE."""
        data = base64.b64decode(self.page.evaluate("() => window.__ears.take()"))
        return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0
