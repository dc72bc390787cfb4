"""Bad captions by the reason code that each deserves; none is a caption of a data set."""

from __future__ import annotations

CAPTIONS: dict[str, tuple[str, ...]] = {
    "caption-empty": ("", " ", "...", "-", "\u00a0", "?", "!!", "\t"),
    "caption-url": (
        "https://www.example.org/watch?v=a8Kd92kLmQ", "www.travel-pictures.example.com/gallery/1234/rome",
        "http://cdn.example.net/v/2021/06/clip-final.html", "https://example.org/p/Bx12hJd9k/",
        "see https://example.com/playlists/summer-2019-best-of", "http://example.info/x/y/z/12345678",
        "www.example.org/videos/the-long-name-of-a-page", "https://video.example.de/embed/9f8a7b6c5d",
    ),
    "caption-hashtags": (
        "#dog #dogs #puppy #doglover #cute #pets", "#travel #rome #italy #summer #holiday #instatravel",
        "#fyp #foryou #viral #trending #foryoupage", "#gym #workout #fitness #fit #motivation #muscle",
        "#food #foodie #cooking #recipe #yummy", "#music #guitar #cover #song #musician #live",
        "#nature #forest #trees #green #hiking #outdoors", "#car #cars #drift #racing #auto #speed",
    ),
    "caption-file-name": (
        "IMG_2041.MOV", "VID_20190714_183012.mp4", "DSC_0071.AVI", "final_cut_v3(1).mp4", "GOPR0187.MP4",
        "screen-recording-2021-05-04.mov", "MVI_4410.avi", "holiday_rome_2.mkv",
    ),
    "caption-boilerplate": (
        "Subscribe to our channel for more videos", "Like, share and subscribe!", "Royalty free stock footage",
        "Please subscribe and hit the bell icon", "Thanks for watching! Don't forget to subscribe",
        "Stock video clip, royalty free", "Follow us for more content", "All rights reserved. Do not re-upload.",
    ),
    "caption-markup": (
        "<div class=\"title\"><span style=\"color:red\"></span></div>", "&lt;p&gt;&nbsp;&lt;/p&gt; {{title}} [[File:]]",
        "[img]http://x.example/a.png[/img] [b][/b] [url=]", "{% block title %}{% endblock %} {{ video.caption }}",
        "<a href='/watch?id=12'><img src='t.jpg' width='120'/>",
        "<iframe src=\"//player\" width=560 height=315></iframe",
        "{\"title\": null, \"id\": 3312, \"tags\": [], \"w\": 640}", "<script>var a=1;document.write(a)</script>",
    ),
    "caption-garbled": (
        "\ufffd\ufffd\ufffd\ufffd \ufffd\ufffd \ufffd\ufffd\ufffd\ufffd\ufffd", "xkq zrtw pplg vbnm qwrt zxcv",
        "?????? ???? ??? ????????", "a\ufffdm\ufffdn w\ufffdlk\ufffd d\ufffd\ufffdg \ufffdn",
        "\x00\x01\x02 \x7f\x7f \x03\x04\x05", "%u0434%u04 %u %u0440%u04F",
        "\u25a1\u25a1\u25a1\u25a1 \u25a1\u25a1\u25a1 \u25a1\u25a1\u25a1\u25a1\u25a1",
        "=?utf-8?Q?=D0=B4=D0=BE=D0=BC?= =?utf-8?Q?=D1=80?=",
    ),
    "caption-repetitive": (
        "a man is is is is is is walking", "dog dog dog dog dog dog dog", "a woman and a woman and a woman and a woman",
        "the car the car the car the car the car", "running running running running running",
        "a cat on a cat on a cat on a cat on a cat", "video video video video video video",
        "a man is playing a man is playing a man is playing",
    ),
    "caption-truncated": (
        "A man in a red shirt walks across the street and then he", "Two children play with a ball in the gard",
        "A woman cuts vegetables on a wooden board with a", "The camera shows a large building next to the",
        "A dog runs along the beach while its owner thro", "People are sitting at a table in a restaurant and",
        "A close-up of a hand that is writing on a piece of", "A group of cyclists rides down a hill, followed by...",
    ),
    "caption-generic": (
        "video", "a video clip", "this is a video", "something happens", "untitled", "an image", "my video", "clip 1",
    ),
    "caption-language": (
        "Ein Mann mit einem roten Hemd geht über die Straße und winkt.", "Une femme coupe des légumes dans sa cuisine.",
        "Dos niños juegan con una pelota en el jardín.", "Un cane corre lungo la spiaggia con il suo padrone.",
        "Мужчина в красной рубашке идёт по улице.", "一个穿红衬衫的男人正在过马路。", "Kobieta kroi warzywa w kuchni.",
        "男の人が公園で犬と遊んでいます。",
    ),
    "caption-shared": ("A person enjoys a beautiful sunny day outdoors with friends and family.",) * 8,
}  # fmt: skip
"""Bad captions by the code that they deserve."""

CONTRADICTION = "A grainy black-and-white film from long ago, without any colour."
