-- Interface: a session in Ardour: Tunes feeds a synth on a MIDI track, the Meter lies on the master bus.
-- DIR is the session's folder; the task puts it in.
local function say(...)
  local words = {}
  for i, word in ipairs({ ... }) do words[i] = tostring(word) end
  io.stderr:write("earworm: " .. table.concat(words, " ") .. "\n")
end
AudioEngine:set_backend("None (Dummy)", "", "")
local session = create_session("DIR", "earworm", 48000)
local function make()
  local midi = ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1)
  local tracks = session:new_midi_track(
    midi, midi, false, ARDOUR.PluginInfo(), nil, nil, 1, "Tunes",
    ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
  local track = nil
  for made in tracks:iter() do track = made end
  local tunes = ARDOUR.LuaAPI.new_plugin(session, "Earworm Tunes", ARDOUR.PluginType.VST3, "")
  local synth = ARDOUR.LuaAPI.new_plugin(session, "ACE Reasonable Synth", ARDOUR.PluginType.LV2, "")
  local meter = ARDOUR.LuaAPI.new_plugin(session, "Earworm Meter", ARDOUR.PluginType.VST3, "")
  say("found", not tunes:isnil(), not synth:isnil(), not meter:isnil())
  say("added",
    track:add_processor_by_index(tunes, 0, nil, true),
    track:add_processor_by_index(synth, 1, nil, true),
    session:master_out():add_processor_by_index(meter, 0, nil, true))
end
make()
collectgarbage()
session:save_state("")
-- A plug-in that Lua still holds when its session closes is Ardour's undoing.
session = nil
collectgarbage()
close_session()
say("saved")
quit()
