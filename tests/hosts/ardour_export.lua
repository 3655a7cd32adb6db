-- Interface: opens the session in DIR in Ardour and exports its first eight seconds to OUT as NAME.wav, in blocks of FRAMES.
local function say(word) io.stderr:write("earworm: " .. word .. "\n") end
AudioEngine:set_backend("None (Dummy)", "", "")
AudioEngine:set_buffer_size(tonumber("FRAMES"))
local session = load_session("DIR", "earworm")
local function export()
  local export = session:simple_export()
  export:set_folder("OUT")
  export:set_name("NAME")
  export:set_range(0, 8 * 48000)
  say("exported " .. tostring(export:run_export()))
end
export()
collectgarbage()
session = nil
collectgarbage()
close_session()
quit()
