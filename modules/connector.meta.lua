---@meta

-- What every operation of a connector takes beside its own arguments, and the words of a declaration
-- (docs/connectors.md has the whole contract).

---What every operation takes beside its own arguments.
---@class ReadArgs
---@field as? string          the step's name, instead of its turn: for when turns may move
---@field timeout? duration   of all of it, with its waits

---What an operation that lists takes besides.
---@class ListArgs: ReadArgs
---@field limit? integer      more than so many (1000) raise `too_many`; 100000 at most
---@field all? boolean        `true`: everything; without it one selecting argument must be given

---What a write takes besides.
---@class WriteArgs: ReadArgs
---@field wait? duration|false  how long for the vendor to confirm the end ("20m"), else `pending`; `false`: not at all, and the handle is returned
---@field lease? duration     how long what it sets is meant to last

---What a flow takes besides; it hands on what its operations take.
---@class FlowArgs: WriteArgs
---@field limit? integer
---@field all? boolean

---A connector's declaration.
---@class Connector
---@field name string                                    the file's name
---@field config? table<string, string>                  the types of its further keys in the configuration; "secret" is one of them
---@field auth? table                                    `kind`: header, basic, oauth2, private_key_jwt or none; a list of such, each with `when`
---@field headers? table|fun(args: table, ctx: table): table
---@field body? "json"|"xml"
---@field fault? fun(answer: table, op: table): table?   what an answer that is no good means; nil: it is good
---@field limit? fun(answer: table): table?              what it says of the vendor's limits
---@field concurrency? integer                           requests in flight at once: 16
---@field endpoints? string                              the read, without parameters, that answers with how many endpoints the vendor knows
---@field operations table<string, Operation>
---@field flows? table<string, Flow>

---One operation of a declaration.
---@class Operation
---@field summary string
---@field source? string                                 where the facts are from
---@field class "read"|"write"
---@field params? table<string, string>                  types by name
---@field method string|function
---@field path string|function
---@field query? table|function
---@field headers? table|function
---@field json? table|function                           one of json, form, multipart, raw
---@field form? table|function
---@field multipart? table|function
---@field raw? string|function
---@field expect? integer[]                              good statuses; any of 200 to 299
---@field fault? fun(answer: table, op: table): table|false|nil  asked before the connector's; `false`: no opinion
---@field result? fun(body: any, args: table, answer: table?, ctx: table): any
---@field binary? boolean                                the body becomes a blob
---@field list? boolean
---@field select? string[]
---@field page? fun(answer: table, args: table, request: table): table, table?
---@field item? fun(x: any, args: table): any
---@field first? table<string, { op: string, args?: function }>
---@field effect? "confine"|"free"|"note"|fun(args: table): string
---@field idempotent? boolean
---@field d3fend? string[]
---@field entity? string|function
---@field facet? string|function
---@field to? string|function
---@field state? { op: string|function|table[], args?: function, of?: function, unchanged?: function }
---@field resolve? { op?: string|function|table[], args?: function, names?: function }
---@field probe? { op?: string|function, args?: function, found: function }
---@field settle? number
---@field handle? fun(body: any, args: table, answer: table): table?
---@field follow? { op: string, args: function, of: function, every?: number[], within?: number }
---@field undo? fun(args: table, before: string?, result: any): { op: string, args: table }?
---@field undo_why? string
---@field plan? table|function
---@field console? fun(args: table, config: table): string
---@field one_by? string
---@field secrets? string[]
---@field timeout? number

---A flow: playbook code that comes with a connector.
---@class Flow
---@field summary string
---@field source? string
---@field params? table<string, string>
---@field effect? string
---@field d3fend? string[]
---@field uses string[]                                  operations of this connector
---@field run fun(args: table): any

---Declares a connector: what a file of `connectors` returns.
---```lua
---return connector {
---  name = "example",
---  operations = {
---    ping = { summary = "Is it there?", class = "read", method = "GET", path = "/ping" },
---  },
---}
---```
---@param declaration Connector
---@return Connector
function connector(declaration) end

---In a declaration's `plan`: a value that is not known before the thing is done. In a plan it may be passed on, shown and
---stored; what would compare it or compute with it ends that branch.
---```lua
---return connector {
---  name = "example",
---  operations = {
---    scan = { summary = "Scans a host.", class = "write", effect = "note", params = { host = "string" },
---             method = "POST", path = "/scans", json = { host = "{host}" }, entity = "example:host:{host}",
---             plan = { host = "{host}", id = opaque "the scan's id" } },
---  },
---}
---```
---@param what string  what it is called where it is shown
---@return any
function opaque(what) end
