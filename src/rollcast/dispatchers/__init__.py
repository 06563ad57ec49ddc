"""rollcast/dispatchers"""
