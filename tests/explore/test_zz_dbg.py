import re
import pytest
from playwright.sync_api import expect
@pytest.mark.parametrize("k", range(14))
def test_dbg(site, visitor, k):
    visitor.add_init_script("""window.L=[];for(const n of ['pointerdown','pointermove','pointerup','pointercancel','lostpointercapture'])document.addEventListener(n,e=>L.push([n,e.target.tagName,Math.round(e.offsetX),Math.round(e.offsetY),Math.round(performance.now())]),true);
    new MutationObserver(ms=>{for(const m of ms){for(const n of m.addedNodes)if(n.querySelector&&(n.tagName=='CANVAS'||n.querySelector('canvas')))L.push(['added',n.tagName,n.className,'',Math.round(performance.now())]);for(const n of m.removedNodes)if(n.querySelector&&(n.tagName=='CANVAS'||n.querySelector('canvas')))L.push(['removed',n.tagName,n.className,'',Math.round(performance.now())])}}).observe(document,{childList:true,subtree:true})""")
    if k % 2:
        c = visitor.context.new_cdp_session(visitor)
        c.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    visitor.goto(site("concept_vae") + "?panel=map&map_by=view")
    canvas = visitor.get_by_role("application", name=re.compile("Map of all images"))
    expect(visitor.get_by_text("0 chosen, 0 subjects")).to_be_visible()
    box = canvas.bounding_box()
    visitor.mouse.move(box["x"] + 0.02 * box["width"], box["y"] + 0.02 * box["height"])
    visitor.mouse.down()
    for right, down in ((0.98, 0.02), (0.98, 0.98), (0.02, 0.98)):
        visitor.mouse.move(box["x"] + right * box["width"], box["y"] + down * box["height"])
    visitor.mouse.up()
    visitor.wait_for_timeout(2500)
    ok = "map_lasso" in visitor.url
    print("\nRES", k, ok, box, visitor.evaluate("()=>L.map(e=>e.join(' '))") if not ok else '')
    assert ok
