"""What the demo's fictional voice API sells: products, models, routes and prices."""

from dataclasses import dataclass
from enum import StrEnum

from usagedeck.demo import figures
from usagedeck.demo.figures import Speed


class Work(StrEnum):
    """What a call does, and so which sizes it has and how long it takes."""

    SPEECH = "speech"
    TRANSCRIPT = "transcript"
    CONVERSION = "conversion"
    CALL = "call"
    CHAT = "chat"
    SOUND = "sound"
    PICTURE = "picture"
    LOOKUP = "lookup"


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that can be called."""

    work: Work
    path: str
    product: str = ""
    model: str = ""
    price: float = 0.0
    """Credits per character (speech), second of audio, thousand tokens (chat) or picture."""
    speed: Speed = figures.SMALL
    audio_s: float = 0.0
    """Median seconds of audio, where their number does not follow from the text. Assumed."""
    streams: bool = False
    """The answer comes in pieces, so the time to the first one is reported."""
    event_type: str = ""
    """What a webhook tells when it is finished."""

    @property
    def method(self) -> str:
        if self.work is Work.CALL:
            return "WS"
        return "GET" if self.work is Work.LOOKUP else "POST"


_SPEAK, _TURN = "/v1/text-to-speech/{voice_id}", "/v1/convai/agents/{agent_id}/turns"

OFFERS: dict[str, Offer] = {
    "flash": Offer(Work.SPEECH, f"{_SPEAK}/stream", "TTS", "eleven_flash_v2_5", 0.5, streams=True),
    "turbo": Offer(Work.SPEECH, f"{_SPEAK}/stream", "TTS", "eleven_turbo_v2_5", 0.5, figures.MIDDLE, streams=True),
    "multilingual": Offer(Work.SPEECH, _SPEAK, "TTS", "eleven_multilingual_v2", 1.0, figures.MIDDLE),
    "expressive": Offer(Work.SPEECH, _SPEAK, "TTS", "eleven_v3", 1.0, figures.LARGE),
    "scribe": Offer(
        Work.TRANSCRIPT,
        "/v1/speech-to-text",
        "STT",
        "scribe_v1",
        1.2,
        audio_s=70,
        event_type="speech_to_text.transcription.completed",
    ),
    "agent": Offer(
        Work.CALL,
        "/v1/convai/conversation",
        "Conversational AI",
        "eleven_flash_v2_5",
        6.6,
        audio_s=150,
        streams=True,
        event_type="convai.conversation.ended",
    ),
    "llm": Offer(Work.CHAT, _TURN, "Conversational AI - LLM", "glm-45-air", 40.0, figures.MIDDLE, streams=True),
    "llm-large": Offer(Work.CHAT, _TURN, "Conversational AI - LLM", "qwen3-235b-a22b", 100.0, figures.LARGE, streams=True),
    "effects": Offer(
        Work.SOUND,
        "/v1/sound-generation",
        "Sound Effects",
        "eleven_text_to_sound_v2",
        40.0,
        audio_s=6,
        event_type="sound_generation.completed",
    ),
    "music": Offer(Work.SOUND, "/v1/music", "Music", "music_v1", 15.0, audio_s=45, event_type="music.generation.completed"),
    "changer": Offer(
        Work.CONVERSION,
        "/v1/speech-to-speech/{voice_id}",
        "Voice Changer",
        "eleven_multilingual_sts_v2",
        16.7,
        audio_s=12,
        streams=True,
    ),
    "isolator": Offer(Work.CONVERSION, "/v1/audio-isolation", "Voice Isolator", "", 16.7, audio_s=40),
    "picture": Offer(
        Work.PICTURE, "/v1/image-generation", "Image Generation", "image_v1", 120.0, event_type="image.generation.completed"
    ),
    "voices": Offer(Work.LOOKUP, "/v1/voices"),
    "voice": Offer(Work.LOOKUP, "/v1/voices/{voice_id}"),
    "history": Offer(Work.LOOKUP, "/v1/history"),
    "models": Offer(Work.LOOKUP, "/v1/models"),
    "subscription": Offer(Work.LOOKUP, "/v1/user/subscription"),
    "conversation": Offer(Work.LOOKUP, "/v1/convai/conversations/{conversation_id}"),
}

LOOKUPS: dict[str, float] = {
    "voices": 0.3,
    "subscription": 0.22,
    "history": 0.18,
    "conversation": 0.14,
    "models": 0.1,
    "voice": 0.06,
}
"""Which plain calls are made, and how often."""
