-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta connectors.okta

---@class connectors.okta
local okta = {}

---@class okta.AddToGroupArgs: WriteArgs
---@field group string
---@field user string

---@class okta.AddToGroup
---@field group string
---@field state string
---@field user string

---Puts a user into a group.
---@async
---@param args okta.AddToGroupArgs
---@return okta.AddToGroup
function okta.add_to_group(args) end

---@class okta.ClearSessionsArgs: WriteArgs
---@field user string
---@field forget_devices? boolean
---@field oauth_tokens? boolean  default false

---@class okta.ClearSessions
---@field oauth_tokens boolean
---@field state string
---@field user string

---Ends a user's sessions in Okta, and revokes tokens if asked; sessions inside apps live on.
---@async
---@param args okta.ClearSessionsArgs
---@return okta.ClearSessions
function okta.clear_sessions(args) end

---@class okta.ExpirePasswordArgs: WriteArgs
---@field user string

---@class okta.ExpirePassword
---@field state string
---@field status string
---@field user string

---Expires a user's password: at the next log-in a new one must be chosen.
---@async
---@param args okta.ExpirePasswordArgs
---@return okta.ExpirePassword
function okta.expire_password(args) end

---@class okta.FirstMembersArgs: ReadArgs
---@field group string

---@class okta.FirstMembers
---@field created string
---@field email string
---@field first_name string
---@field id string
---@field last_login string
---@field last_name string
---@field last_updated string
---@field login string
---@field password_changed string
---@field profile table
---@field source string
---@field source_type string
---@field status string
---@field status_changed string

---Reads at most two users of a group: enough to know whether somebody is its last member.
---@async
---@param args okta.FirstMembersArgs
---@return okta.FirstMembers[]
function okta.first_members(args) end

---@class okta.GroupArgs: ReadArgs
---@field id string

---@class okta.Group
---@field created string
---@field description string
---@field id string
---@field last_membership_updated string
---@field last_updated string
---@field name string
---@field profile table
---@field type string

---Reads one group by its id.
---@async
---@param args okta.GroupArgs
---@return okta.Group
function okta.group(args) end

---@class okta.GroupsArgs: ListArgs
---@field id? string
---@field name? string
---@field prefix? string
---@field search? string
---@field type? "OKTA_GROUP"|"APP_GROUP"|"BUILT_IN"

---@class okta.Groups
---@field created string
---@field description string
---@field id string
---@field last_membership_updated string
---@field last_updated string
---@field name string
---@field profile table
---@field type string

---Lists the groups of exactly this name, of a prefix, or that a search expression finds.
---@async
---@param args okta.GroupsArgs
---@return okta.Groups[]
function okta.groups(args) end

---@class okta.MeArgs: ReadArgs

---@class okta.Me
---@field created string
---@field email string
---@field first_name string
---@field id string
---@field last_login string
---@field last_name string
---@field last_updated string
---@field login string
---@field password_changed string
---@field profile table
---@field source string
---@field source_type string
---@field status string
---@field status_changed string

---Reads the user whose token this is; a table without an id for a service app.
---@async
---@param args okta.MeArgs
---@return okta.Me
function okta.me(args) end

---@class okta.MembersArgs: ListArgs
---@field group string

---@class okta.Members
---@field created string
---@field email string
---@field first_name string
---@field id string
---@field last_login string
---@field last_name string
---@field last_updated string
---@field login string
---@field password_changed string
---@field profile table
---@field source string
---@field source_type string
---@field status string
---@field status_changed string

---Lists the users in a group.
---@async
---@param args okta.MembersArgs
---@return okta.Members[]
function okta.members(args) end

---@class okta.RemoveFromGroupArgs: WriteArgs
---@field group string
---@field user string

---@class okta.RemoveFromGroup
---@field group string
---@field state string
---@field user string

---Takes a user out of a group.
---@async
---@param args okta.RemoveFromGroupArgs
---@return okta.RemoveFromGroup
function okta.remove_from_group(args) end

---@class okta.UserArgs: ReadArgs
---@field id string

---@class okta.User
---@field created string
---@field email string
---@field first_name string
---@field id string
---@field last_login string
---@field last_name string
---@field last_updated string
---@field login string
---@field password_changed string
---@field profile table
---@field source string
---@field source_type string
---@field status string
---@field status_changed string

---Reads one user by id or login; never behind, as a search may be.
---@async
---@param args okta.UserArgs
---@return okta.User
function okta.user(args) end

---@class okta.UserGroupsArgs: ListArgs
---@field user string

---@class okta.UserGroups
---@field created string
---@field description string
---@field id string
---@field last_membership_updated string
---@field last_updated string
---@field name string
---@field profile table
---@field type string

---Lists the groups that a user is in, the built-in Everyone among them.
---@async
---@param args okta.UserGroupsArgs
---@return okta.UserGroups[]
function okta.user_groups(args) end

---@class okta.UsersArgs: ListArgs
---@field email? string
---@field id? string
---@field login? string
---@field name? string
---@field search? string
---@field status? string

---@class okta.Users
---@field created string
---@field email string
---@field first_name string
---@field id string
---@field last_login string
---@field last_name string
---@field last_updated string
---@field login string
---@field password_changed string
---@field profile table
---@field source string
---@field source_type string
---@field status string
---@field status_changed string

---Lists the users of a login, e-mail, id, status or account name, or that a search finds.
---@async
---@param args okta.UsersArgs
---@return okta.Users[]
function okta.users(args) end

return okta
