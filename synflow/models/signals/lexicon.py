"""Small words and finite verbs of English captions: where the names of things end."""

from __future__ import annotations

import re

STOP = frozenset(
    re.findall(
        r"\w+",
        "a an the and or but nor of in on at by to from with without into onto over under through across along around "
        "behind beside besides between beyond near next above below up down off out inside outside towards toward "
        "past against among before after during while when where as than then that which who whom whose this these "
        "those there here it its is are was were be been being am do does did has have had having he she they them "
        "his her their him i you we our my your me us one another other each both all some any no not so very such "
        "only just also too still again together himself herself itself themselves s straight first slowly "
        "quickly front otherwise back away forth several for if because until another's",
    )
)
"""Words that neither name nor describe a thing."""

VERBS = {
    "appear": "", "appears": "", "begins": "", "starts": "", "keeps": "", "gets": "", "goes": "", "makes": "",
    "takes": "", "seen": "", "shown": "", "shows": "", "seems": "", "looks": "", "stays": "", "puts": "", "gives": "",
    "walks": "walking", "walk": "walking", "runs": "running", "run": "running", "sits": "sitting", "sit": "sitting",
    "stands": "standing", "stand": "standing", "talks": "talking", "talk": "talking", "plays": "playing",
    "play": "playing", "rides": "riding", "ride": "riding", "drives": "driving", "drive": "driving",
    "moves": "moving", "move": "moving", "turns": "turning", "waves": "waving", "opens": "opening",
    "closes": "closing", "eats": "eating", "drinks": "drinking", "jumps": "jumping", "jump": "jumping",
    "dances": "dancing", "dance": "dancing", "swims": "swimming", "swim": "swimming", "flies": "flying",
    "fly": "flying", "cooks": "cooking", "cuts": "cutting", "pours": "pouring", "sings": "singing", "sing": "singing",
    "reads": "reading", "writes": "writing", "holds": "holding", "hold": "holding", "throws": "throwing",
    "catches": "catching", "kicks": "kicking", "hits": "hitting", "shoots": "shooting", "shoot": "shooting",
    "pass": "passing", "passes": "passing", "climbs": "climbing", "falls": "falling", "crawls": "crawling",
    "feeds": "feeding", "floats": "floating", "cleans": "cleaning", "washes": "washing", "works": "working",
    "inspects": "inspecting", "nibbles": "nibbling", "carves": "carving", "tosses": "tossing", "lifts": "lifting",
    "lowers": "lowering", "lays": "laying", "rearrange": "rearranging", "practises": "practising",
    "watches": "watching", "watch": "watching", "scrolls": "scrolling", "glides": "gliding", "crosses": "crossing",
    "enters": "entering",  "bounces": "bouncing", "grows": "growing", "shrinks": "shrinking",
    "slides": "sliding", "collides": "colliding", "collide": "colliding", "spins": "spinning", "pans": "panning",
    "tilts": "tilting", "zooms": "zooming", "points": "pointing", "smiles": "smiling", "laughs": "laughing",
    "taps": "tapping", "types": "typing", "typed": "typing", "uses": "using", "wears": "wearing", "trails": "",
    "reaches": "reaching", "straightens": "", "switches": "switching", "performs": "performing", "drops": "dropping",
    "changes": "changing", "vanishes": "vanishing", "fades": "fading", "stops": "stopping", "frets": "",
    "overlooking": "", "dressed": "",
    "followed": "", "taken": "", "dives": "diving",
    "titled": "", "comes": "", "come": "", "go": "", "make": "", "take": "", "look": "",
    "picks": "picking", "pulls": "pulling", "pushes": "pushing", "demonstrates": "demonstrating",
    "explains": "explaining",
    "speaks": "speaking", "speak": "speaking", "prepares": "preparing", "adds": "adding", "mixes": "mixing",
}  # fmt: skip
"""Finite verbs that captions use -> the form that goes with keywords; empty where it says nothing alone."""

PAST = frozenset(
    re.findall(
        r"\w+",
        "ate ran sat stood went came took made gave held drove rode threw fell flew sang swam won lost fought spoke "
        "wrote got put kept began drew grew hung hit led let met paid rang rose saw sent set shook slid "
        "slept spent spun swung taught tore told wore",
    )
)
"""Past forms that no ending tells."""
