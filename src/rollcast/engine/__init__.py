"""rollcast/engine"""
